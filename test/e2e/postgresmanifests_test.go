package e2e

import "github.com/mainstay-io/mainstay/test/hosts"

const databaseManifest = `
apiVersion: storage.k8s.io/v1
kind: VolumeAttributesClass
metadata: {name: steady}
driverName: volume.mainstay.dev
parameters: {minIops: "200", minThroughput: 8Mi, maxIops: "0", maxThroughput: 64Mi}
---
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {publishNotReadyAddresses: true, selector: {app: db}, ports: [{port: 5432}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:` + hosts.PostgresPod + `
  volumeClaimTemplates:
  - metadata: {name: data}
    spec:
      accessModes: [ReadWriteOnce]
      volumeAttributesClassName: guaranteed-medium
      resources: {requests: {storage: 256Mi}}
`

const snapshotManifest = `
apiVersion: snapshot.storage.k8s.io/v1
kind: VolumeSnapshot
metadata: {name: SNAPSHOT}
spec: {source: {persistentVolumeClaimName: data-db-0}}
`

// restoredManifest is a claim of a snapshot, and a database on it.
const restoredManifest = `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: of-SNAPSHOT}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 512Mi}}
  dataSource: {apiGroup: snapshot.storage.k8s.io, kind: VolumeSnapshot, name: SNAPSHOT}
---
apiVersion: v1
kind: Service
metadata: {name: of-SNAPSHOT}
spec: {selector: {app: of-SNAPSHOT}, ports: [{port: 5432}]}
---
apiVersion: v1
kind: Pod
metadata: {name: of-SNAPSHOT, labels: {app: of-SNAPSHOT}}
spec:` + hosts.PostgresPod + `
      volumes: [{name: data, persistentVolumeClaim: {claimName: of-SNAPSHOT}}]
`
