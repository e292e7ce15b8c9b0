package join

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

func TestCheckClock(t *testing.T) {
	for _, test := range []struct {
		ahead time.Duration
		says  string // empty: accepted
	}{
		{0, ""},
		{MaxClockOffset, ""},
		{-MaxClockOffset, ""},
		{MaxClockOffset + time.Second, "1m1s behind"},
		{-time.Hour, "1h0m0s ahead of"},
	} {
		if err := CheckClock(test.ahead); (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("the server is ahead by %v: %v", test.ahead, err)
		}
	}
}

func TestCheckVersion(t *testing.T) {
	for _, test := range []struct {
		server, own string
		oldest      uint
		says        string
	}{
		{"v1.36.3", "v1.36.3", OldestKubelet, ""},
		{"v1.36.3", "v1.36.9", OldestKubelet, ""},
		{"v1.36.3", "v1.33.0", OldestKubelet, ""},
		{"v1.36.3", "v1.32.9", OldestKubelet, "too old"},
		{"v1.36.3", "v1.37.0", OldestKubelet, "newer"},
		{"v1.36.3", "v1.35.0", OldestServer, ""},
		{"v1.36.3", "v1.34.9", OldestServer, "too old"},
		{"v1.36.3", "v1.37.0", OldestServer, "newer"},
		{"v2.0.0", "v1.36.3", OldestKubelet, "newer"},
		{"v0.0.0-master+$Format:%H$", "v0.0.0-master+$Format:%H$", OldestKubelet, ""}, // a build without a version
		{"unknown", "v1.36.3", OldestKubelet, "no version"},
	} {
		if err := CheckVersion(test.server, test.own, test.oldest); (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("a server of %s and a machine of %s: %v", test.server, test.own, err)
		}
	}
}

func TestCheckName(t *testing.T) {
	for _, test := range []struct {
		conditions []corev1.NodeCondition
		taken      bool
	}{
		{[]corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}, true},
		{[]corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionUnknown}}, false},
		{[]corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionFalse}}, false},
		{[]corev1.NodeCondition{{Type: corev1.NodeDiskPressure, Status: corev1.ConditionTrue}}, false},
		{nil, false},
	} {
		if err := CheckName(&corev1.Node{Status: corev1.NodeStatus{Conditions: test.conditions}}); (err != nil) != test.taken {
			t.Errorf("a node with %v: %v", test.conditions, err)
		}
	}
}
