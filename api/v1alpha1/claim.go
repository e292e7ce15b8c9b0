package v1alpha1

import corev1 "k8s.io/api/core/v1"

// PerformanceBreached is the condition of a claim whose volume asks for the
// performance that it was promised, and does not get it. The volume's driver
// writes it; it is False once that is over.
const PerformanceBreached corev1.PersistentVolumeClaimConditionType = "mainstay.dev/PerformanceBreached"

// VolumeAbnormal is the condition of a claim with whose volume something is wrong:
// data is lost, its file system has stopped, or its pool cannot be used. The message
// says what, and what to do. The volume's driver writes it; it is False once that is
// over.
const VolumeAbnormal corev1.PersistentVolumeClaimConditionType = "mainstay.dev/VolumeAbnormal"
