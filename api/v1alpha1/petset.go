package v1alpha1

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PetSet runs pods that are not interchangeable: each has an ordinal, and with it
// a name, a DNS name and claims that stay its own whatever happens to the pod.
//
// Every field of an apps/v1 StatefulSet is here, with its name, meaning and
// default, so that a manifest becomes a PetSet by its apiVersion and kind alone.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.replicas,statuspath=.status.replicas,selectorpath=.status.selector
// +kubebuilder:resource:shortName=pet,categories=all
// +kubebuilder:printcolumn:name=Desired,type=integer,JSONPath=.spec.replicas
// +kubebuilder:printcolumn:name=Ready,type=integer,JSONPath=.status.readyReplicas
// +kubebuilder:printcolumn:name=Updated,type=integer,JSONPath=.status.updatedReplicas
// +kubebuilder:printcolumn:name=Available,type=string,JSONPath=`.status.conditions[?(@.type=="Available")].status`
// +kubebuilder:printcolumn:name=Why,type=string,JSONPath=`.status.conditions[?(@.type=="Progressing")].message`
// +kubebuilder:printcolumn:name=Age,type=date,JSONPath=.metadata.creationTimestamp
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 52",message="metadata.name may have 52 characters at most: the names of pods and revisions are longer, and end at 63"
type PetSet struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// What is asked for.
	// +required
	Spec PetSetSpec `json:"spec"`
	// What is there, as last observed.
	// +optional
	Status PetSetStatus `json:"status,omitempty"`
}

// PetSetList is a list of PetSets.
//
// +kubebuilder:object:root=true
type PetSetList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []PetSet `json:"items"`
}

// PetSetSpec is what is asked for.
//
// +kubebuilder:validation:XValidation:rule="self.selector == oldSelf.selector",message="spec.selector cannot change: it decides which pods are the set's own. Create another set, or adopt the pods with `kubectl delete --cascade=orphan`"
// +kubebuilder:validation:XValidation:rule="self.podManagementPolicy == oldSelf.podManagementPolicy",message="spec.podManagementPolicy cannot change. Delete the set with --cascade=orphan and create it anew: the pods stay"
// +kubebuilder:validation:XValidation:rule="has(self.serviceName) == has(oldSelf.serviceName) && (!has(self.serviceName) || self.serviceName == oldSelf.serviceName)",message="spec.serviceName cannot change: it is part of every pet's DNS name"
type PetSetSpec struct {
	// How many pets there should be.
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=0
	// +optional
	Replicas *int32 `json:"replicas,omitempty"`
	// Which pods are the set's own. The labels of the template must match it.
	// +required
	Selector *metav1.LabelSelector `json:"selector"`
	// The pod of each pet. A change of it is an update: updateStrategy says how
	// the pets come to it. A pet's name, hostname and subdomain are not taken from
	// here; they stay what they are through every change.
	// +required
	Template corev1.PodTemplateSpec `json:"template"`
	// The claims of each pet, named TEMPLATE-SET-ORDINAL. Templates may change:
	// a larger request expands the claims that exist, another
	// volumeAttributesClassName is applied to them. A template that is added gets
	// its claim when the pet's pod is next replaced; so does one that is removed
	// leave the pod, and its claim is then treated by
	// persistentVolumeClaimRetentionPolicy as that of a pet that was scaled away.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:XValidation:rule="self.all(n, self.exists_one(o, n.metadata.name == o.metadata.name))",message="two claim templates have one name; a pet's claims are named by it"
	// +kubebuilder:validation:XValidation:rule="self.all(n, oldSelf.all(o, n.metadata.name != o.metadata.name || (has(n.spec.storageClassName) ? n.spec.storageClassName : '') == (has(o.spec.storageClassName) ? o.spec.storageClassName : '')))",message="a claim keeps its storage class: add a template of another name and move the data there"
	// +kubebuilder:validation:XValidation:rule="self.all(n, oldSelf.all(o, n.metadata.name != o.metadata.name || !has(n.spec.resources) || !has(o.spec.resources) || !has(n.spec.resources.requests) || !has(o.spec.resources.requests) || !('storage' in n.spec.resources.requests) || !('storage' in o.spec.resources.requests) || quantity(string(n.spec.resources.requests['storage'])).compareTo(quantity(string(o.spec.resources.requests['storage']))) >= 0))",message="a claim cannot shrink: ask for as much as before, or add a smaller template of another name and move the data there"
	VolumeClaimTemplates []corev1.PersistentVolumeClaim `json:"volumeClaimTemplates,omitempty"`
	// The headless Service that gives the pets their DNS names:
	// POD.SERVICENAME.NAMESPACE.svc.CLUSTER-DOMAIN. The set does not make it;
	// without it the pets have no DNS names.
	// +optional
	ServiceName string `json:"serviceName,omitempty"`
	// OrderedReady: a pet starts when all before it are ready, and stops when all
	// after it are gone. One that a fenced node has lost starts again at once.
	// Parallel: nobody waits for anybody when the set is created or scaled. Updates
	// are ordered with both.
	// +kubebuilder:default=OrderedReady
	// +kubebuilder:validation:Enum=OrderedReady;Parallel
	// +optional
	PodManagementPolicy appsv1.PodManagementPolicyType `json:"podManagementPolicy,omitempty"`
	// How pets come to run a new template.
	// +kubebuilder:default={type: RollingUpdate}
	// +optional
	UpdateStrategy UpdateStrategy `json:"updateStrategy,omitempty"`
	// How many former revisions are kept for `rollout undo`, beside those that
	// pets run.
	// +kubebuilder:default=10
	// +optional
	RevisionHistoryLimit *int32 `json:"revisionHistoryLimit,omitempty"`
	// How long a pod must be ready to count as available, in seconds. An update
	// goes on when the pet that it replaced is available.
	// +kubebuilder:validation:Minimum=0
	// +optional
	MinReadySeconds int32 `json:"minReadySeconds,omitempty"`
	// What becomes of the claims when a pet is scaled away (whenScaled) and when
	// the set is deleted (whenDeleted): Retain, which is the default, or Delete.
	// +optional
	// +kubebuilder:validation:XValidation:rule="(!has(self.whenDeleted) || self.whenDeleted in ['Retain','Delete']) && (!has(self.whenScaled) || self.whenScaled in ['Retain','Delete'])",message="whenDeleted and whenScaled are Retain or Delete"
	PersistentVolumeClaimRetentionPolicy *appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy `json:"persistentVolumeClaimRetentionPolicy,omitempty"`
	// Which ordinals the pets have.
	// +optional
	Ordinals *Ordinals `json:"ordinals,omitempty"`

	// What is done about pets that cannot become ready.
	// +optional
	Recovery *Recovery `json:"recovery,omitempty"`
	// What becomes of a pet when its node is lost.
	// +optional
	Failover *Failover `json:"failover,omitempty"`
	// What becomes of a pet whose volume is lost with its node.
	// +optional
	VolumeLoss *VolumeLoss `json:"volumeLoss,omitempty"`
	// Changes to the template for some ordinals. Of entries that name the same
	// ordinal the first counts, alone. A change here is an update of the pets that
	// it makes a difference to.
	// +optional
	// +listType=atomic
	Overrides []Override `json:"overrides,omitempty"`
	// What must be ready before the set's first pet starts. It is not looked at
	// again once a pet runs.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	DependsOn []Dependency `json:"dependsOn,omitempty"`
	// What a pet does before it is scaled away, or goes since its ordinal was
	// reserved. A pet that is only replaced does not drain, nor does a set that is
	// deleted.
	// +optional
	Drain *Drain `json:"drain,omitempty"`
}

// Ordinals says which ordinals pets have: as many as replicas, from start on, less
// the reserved ones.
type Ordinals struct {
	// The first ordinal.
	// +kubebuilder:validation:Minimum=0
	// +optional
	Start int32 `json:"start"`
	// Ordinals that no pet has: "3", or a range "4-6". Reserving one in use
	// replaces exactly that pet by a new one at the end. The new one starts first
	// and, unless the set is Parallel, the old one goes when it is available; its
	// claims are then those of a pet that was scaled away.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:Pattern=`^[0-9]{1,9}(-[0-9]{1,9})?$`
	Reserved []string `json:"reserved,omitempty"`
}
