package bench

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/mainstay-io/mainstay/test/hosts"
)

// webCommand is a trivial web server: it answers a few milliseconds after it starts.
var webCommand = []string{"httpd", "-f", "-p", "80"}

const webPort = 80

// tightestProbe asks as often as Kubernetes allows: at once, then each second.
var tightestProbe = &corev1.Probe{
	ProbeHandler:  corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(webPort)}},
	PeriodSeconds: 1,
}

// webService is the headless service of a set of web servers.
func webService(name string) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.ServiceSpec{
			ClusterIP: corev1.ClusterIPNone,
			Selector:  map[string]string{"app": name},
			Ports:     []corev1.ServicePort{{Name: "http", Port: webPort}},
		},
	}
}

// webSet is a set of web servers, OrderedReady and without claims. Without a
// probe a pet is Ready as soon as its container runs.
func webSet(name string, pets int32, probe *corev1.Probe) *appsv1.StatefulSet {
	labels := map[string]string{"app": name}
	return &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: appsv1.StatefulSetSpec{
			ServiceName: name,
			Replicas:    &pets,
			Selector:    &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					TerminationGracePeriodSeconds: ptr.To[int64](1),
					Containers: []corev1.Container{{
						Name: "web", Image: hosts.BusyboxImage, Command: webCommand, ReadinessProbe: probe,
					}},
				},
			},
		},
	}
}

// withoutToken gives the pods no token for the API, so that they have no volume:
// kubelet looks every 300 ms whether a pod's volumes are mounted.
func withoutToken(set *appsv1.StatefulSet) *appsv1.StatefulSet {
	set.Spec.Template.Spec.AutomountServiceAccountToken = ptr.To(false)
	return set
}

// waitForAnswer returns when the web server at an address of the pod network
// answers anything. It asks each millisecond.
func waitForAnswer(b *testing.B, h *hosts.Host, ip string) {
	b.Helper()
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, address string) (net.Conn, error) { return h.Dial(ctx, address) },
	}}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		response, err := client.Get("http://" + ip + "/")
		if err == nil {
			response.Body.Close()
			return
		}
		if time.Now().After(deadline) {
			b.Fatalf("the web server at %s does not answer: %v", ip, err)
		}
	}
}
