package e2e

import "github.com/mainstay-io/mainstay/test/hosts"

// postgresPod is the specification of a pod, but for its volume. It makes the
// database under another name first: what is called pgdata is whole.
const postgresPod = `
      securityContext: {runAsUser: 999, runAsGroup: 999, fsGroup: 999, fsGroupChangePolicy: OnRootMismatch}
      terminationGracePeriodSeconds: 20
      containers:
      - name: postgres
        image: ` + hosts.PostgresImage + `
        command:
        - sh
        - -ec
        - |
          cd /usr/lib/postgresql/*/bin
          if [ ! -d /data/pgdata ]; then
            rm -rf /data/new
            ./initdb --pgdata=/data/new --auth=trust --encoding=UTF8 --no-locale --data-checksums --wal-segsize=1 >/dev/null
            echo host all all all trust >>/data/new/pg_hba.conf
            sync
            mv /data/new /data/pgdata
          fi
          busybox chmod 0700 /data/pgdata
          exec $PWD/postgres -D /data/pgdata -c listen_addresses=* -c unix_socket_directories=/tmp \
            -c shared_buffers=32MB -c min_wal_size=8MB -c max_wal_size=32MB
        readinessProbe: {exec: {command: [sh, -c, "/usr/lib/postgresql/*/bin/pg_isready --quiet --host=/tmp"]}, periodSeconds: 1}
        volumeMounts: [{name: data, mountPath: /data}]
`

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
    spec:` + postgresPod + `
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
spec:` + postgresPod + `
      volumes: [{name: data, persistentVolumeClaim: {claimName: of-SNAPSHOT}}]
`
