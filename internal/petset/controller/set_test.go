package controller

import (
	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

var webLabels = map[string]string{"app": "web"}

// webSet is a StatefulSet as small as the API allows.
func webSet(replicas int32, change ...func(*apps.StatefulSet)) *apps.StatefulSet {
	set := &apps.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: apps.StatefulSetSpec{
			Replicas:    ptr.To(replicas),
			ServiceName: "svc",
			Selector:    &metav1.LabelSelector{MatchLabels: webLabels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: webLabels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "web:1"}}},
			},
		},
	}
	for _, c := range change {
		c(set)
	}
	return set
}

func parallel(set *apps.StatefulSet) {
	set.Spec.PodManagementPolicy = apps.ParallelPodManagement
}

func onDelete(set *apps.StatefulSet) {
	set.Spec.UpdateStrategy.Type = apps.OnDeleteStatefulSetStrategyType
}

func withData(set *apps.StatefulSet) {
	set.Spec.VolumeClaimTemplates = append(set.Spec.VolumeClaimTemplates, corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: "data", Labels: map[string]string{"tier": "disk"}},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources: corev1.VolumeResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
			},
		},
	})
}

func replicas(n int32) func(*apps.StatefulSet) {
	return func(set *apps.StatefulSet) { set.Spec.Replicas = ptr.To(n) }
}

func image(name string) func(*apps.StatefulSet) {
	return func(set *apps.StatefulSet) { set.Spec.Template.Spec.Containers[0].Image = name }
}

func partition(n int32) func(*apps.StatefulSet) {
	return func(set *apps.StatefulSet) {
		set.Spec.UpdateStrategy = apps.StatefulSetUpdateStrategy{
			Type:          apps.RollingUpdateStatefulSetStrategyType,
			RollingUpdate: &apps.RollingUpdateStatefulSetStrategy{Partition: ptr.To(n)},
		}
	}
}

func retention(whenScaled, whenDeleted apps.PersistentVolumeClaimRetentionPolicyType) func(*apps.StatefulSet) {
	return func(set *apps.StatefulSet) {
		set.Spec.PersistentVolumeClaimRetentionPolicy = &apps.StatefulSetPersistentVolumeClaimRetentionPolicy{
			WhenScaled: whenScaled, WhenDeleted: whenDeleted}
	}
}
