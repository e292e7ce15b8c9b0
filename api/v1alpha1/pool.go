package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Pool is a place on a node from which volumes are cut. Its node's driver writes
// it; to change it by hand has no effect.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster
// +kubebuilder:printcolumn:name=Node,type=string,JSONPath=.spec.nodeName
// +kubebuilder:printcolumn:name=Pool,type=string,JSONPath=.spec.name
// +kubebuilder:printcolumn:name=Ready,type=string,JSONPath=.status.conditions[?(@.type=="Ready")].status
// +kubebuilder:printcolumn:name=Capacity,type=string,JSONPath=.status.capacity
// +kubebuilder:printcolumn:name=Available,type=string,JSONPath=.status.available
// +kubebuilder:printcolumn:name=Volumes,type=integer,JSONPath=.status.volumeCount
// +kubebuilder:printcolumn:name=Promised,type=string,JSONPath=.status.promised.share
// +kubebuilder:printcolumn:name=Left IOPS,type=integer,JSONPath=.status.left.iops
// +kubebuilder:printcolumn:name=Left throughput,type=string,JSONPath=.status.left.throughput
// +kubebuilder:printcolumn:name=Age,type=date,JSONPath=.metadata.creationTimestamp
type Pool struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Where the pool is.
	// +required
	Spec PoolSpec `json:"spec"`
	// What it has and what it owes, as last looked at.
	// +optional
	Status PoolStatus `json:"status,omitempty"`
}

// PoolList is a list of Pools.
//
// +kubebuilder:object:root=true
type PoolList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Pool `json:"items"`
}

// PoolSpec says where a pool is.
//
// +kubebuilder:validation:XValidation:rule="self.nodeName == oldSelf.nodeName && self.name == oldSelf.name",message="a pool stays on its node, under its name"
type PoolSpec struct {
	// The node whose volumes come from it.
	// +required
	NodeName string `json:"nodeName"`
	// Its name on that node, which a StorageClass gives as its parameter "pool".
	// A class that gives none means the pool "default", which every node has.
	// +kubebuilder:default=default
	// +optional
	Name string `json:"name,omitempty"`
	// Its directory there.
	// +required
	Directory string `json:"directory"`
	// The block device that is the pool, and is mounted at the directory. Empty:
	// the pool is a directory.
	// +optional
	Device string `json:"device,omitempty"`
}

// PoolStatus is what a pool has and what it owes.
type PoolStatus struct {
	// The size of its disk, and how much of it new volumes may still take.
	// +optional
	Capacity *resource.Quantity `json:"capacity,omitempty"`
	// +optional
	Available *resource.Quantity `json:"available,omitempty"`
	// What it was measured to do, by `mainstay pool probe`. A pool that was never
	// measured promises nothing.
	// +optional
	Envelope *PoolEnvelope `json:"envelope,omitempty"`
	// What its volumes were promised, all together.
	// +optional
	Promised PoolPromise `json:"promised,omitempty"`
	// What it may yet promise: so many operations, or so many bytes, not both.
	// +optional
	Left PoolPromise `json:"left,omitempty"`
	// How many volumes it has.
	VolumeCount int32 `json:"volumeCount"`
	// The volumes, in the order of their names.
	// +listType=map
	// +listMapKey=name
	// +optional
	Volumes []PoolVolume `json:"volumes,omitempty"`
	// Ready says whether the pool can be used, and DirectoryVolumes whether it can have
	// volumes of classes with backend: directory; if not, why and what to do.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

const (
	// PoolReady is the type of the condition that says whether a pool can be used.
	PoolReady = "Ready"
	// PoolDirectoryVolumes is that of the condition that says whether a pool can have
	// volumes that are directories.
	PoolDirectoryVolumes = "DirectoryVolumes"
)

// PoolEnvelope is what a pool was measured to do, through the device of a volume.
type PoolEnvelope struct {
	// Operations a second, of 4 KiB at random places; written durably.
	ReadIOPS  int64 `json:"readIOPS"`
	WriteIOPS int64 `json:"writeIOPS"`
	// Bytes a second, in requests of 1 MiB.
	ReadThroughput  resource.Quantity `json:"readThroughput"`
	WriteThroughput resource.Quantity `json:"writeThroughput"`
	// When it was measured.
	Measured metav1.Time `json:"measured"`
}

// PoolPromise is performance.
type PoolPromise struct {
	// Operations a second.
	// +optional
	IOPS int64 `json:"iops,omitempty"`
	// Bytes a second.
	// +optional
	Throughput *resource.Quantity `json:"throughput,omitempty"`
	// The part of the envelope, such as "35 %".
	// +optional
	Share string `json:"share,omitempty"`
}

// PoolVolume is a volume of a pool.
type PoolVolume struct {
	// The volume's name in the pool, which is its handle in a PersistentVolume.
	Name string `json:"name"`
	// NAMESPACE/NAME of the claim that it was made for.
	// +optional
	Claim string `json:"claim,omitempty"`
	// Its size.
	Size resource.Quantity `json:"size"`
	// What it was promised, and what it is held to, as its classes say.
	// +optional
	MinIOPS int64 `json:"minIops,omitempty"`
	// +optional
	MaxIOPS int64 `json:"maxIops,omitempty"`
	// +optional
	MinThroughput *resource.Quantity `json:"minThroughput,omitempty"`
	// +optional
	MaxThroughput *resource.Quantity `json:"maxThroughput,omitempty"`
	// What it does, as of the last half minute, in round numbers: the node's metrics
	// are more exact. Absent while no pod uses it.
	// +optional
	Achieved *PoolAchieved `json:"achieved,omitempty"`
}

// PoolAchieved is what a volume does.
type PoolAchieved struct {
	// Operations a second.
	IOPS int64 `json:"iops"`
	// Bytes a second.
	Throughput resource.Quantity `json:"throughput"`
	// What 99 of 100 requests took at most, as far as the kernel tells: those that
	// ended in the same tenth of a second count as equally long. Absent when there
	// were hardly any.
	// +optional
	P99 *metav1.Duration `json:"p99,omitempty"`
}
