// Writes AdmissionReview requests as kube-apiserver writes them: objects of k8s.io/api, encoded by the JSON serializer
// of k8s.io/apimachinery. Usage: go run . DIRECTORY
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kjson "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/types"
)

const (
	good      = "registry.example/shop/api@sha256:1111111111111111111111111111111111111111111111111111111111111111"
	helper    = "registry.example/shop/init:1.2@sha256:2222222222222222222222222222222222222222222222222222222222222222"
	debug     = "registry.example/shop/debug@sha256:3333333333333333333333333333333333333333333333333333333333333333"
	model     = "registry.example/shop/model@sha256:4444444444444444444444444444444444444444444444444444444444444444"
	namespace = "shop"
)

var moment = metav1.NewTime(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))

func ptr[T any](value T) *T { return &value }

func meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name: name, Namespace: namespace, UID: types.UID("6f1c3c1e-0001-4000-8000-000000000001"), CreationTimestamp: moment,
		Labels: map[string]string{"app.kubernetes.io/name": name, "image": "decoy:latest"},
		Annotations: map[string]string{
			"kubectl.kubernetes.io/last-applied-configuration": "{\"apiVersion\":\"v1\",\"spec\":{\"containers\":[{\"image\":\"decoy:1\"}]}}\n",
		},
		ManagedFields: []metav1.ManagedFieldsEntry{{
			Manager: "kubectl-client-side-apply", Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "v1",
			Time: &moment, FieldsType: "FieldsV1",
			FieldsV1: &metav1.FieldsV1{Raw: []byte(`{"f:spec":{"f:containers":{"k:{\"name\":\"api\"}":{".":{},"f:image":{},"f:name":{}}}}}`)},
		}},
	}
}

func spec() corev1.PodSpec {
	return corev1.PodSpec{
		Volumes: []corev1.Volume{
			{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
				LocalObjectReference: corev1.LocalObjectReference{Name: "api"}, DefaultMode: ptr(int32(420))}}},
			{Name: "model", VolumeSource: corev1.VolumeSource{Image: &corev1.ImageVolumeSource{
				Reference: model, PullPolicy: corev1.PullIfNotPresent}}},
		},
		InitContainers: []corev1.Container{{
			Name: "migrate", Image: helper, Command: []string{"/migrate", "up"}, TerminationMessagePath: "/dev/termination-log",
			TerminationMessagePolicy: corev1.TerminationMessageReadFile, ImagePullPolicy: corev1.PullIfNotPresent,
		}},
		Containers: []corev1.Container{{
			Name: "api", Image: good, Args: []string{"--if", "a<b && b>c"},
			Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080, Protocol: corev1.ProtocolTCP}},
			Env: []corev1.EnvVar{{Name: "IMAGE", Value: "decoy:2"}},
			Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("64Mi")},
			},
			VolumeMounts: []corev1.VolumeMount{{Name: "config", MountPath: "/etc/api"}, {Name: "model", MountPath: "/model"}},
			TerminationMessagePath: "/dev/termination-log", TerminationMessagePolicy: corev1.TerminationMessageReadFile,
			ImagePullPolicy: corev1.PullIfNotPresent,
			SecurityContext: &corev1.SecurityContext{RunAsNonRoot: ptr(true), ReadOnlyRootFilesystem: ptr(true)},
		}},
		RestartPolicy: corev1.RestartPolicyAlways, TerminationGracePeriodSeconds: ptr(int64(30)), DNSPolicy: corev1.DNSClusterFirst,
		ServiceAccountName: "api", DeprecatedServiceAccount: "api", SecurityContext: &corev1.PodSecurityContext{},
		SchedulerName: "default-scheduler", Priority: ptr(int32(0)), EnableServiceLinks: ptr(true),
		Tolerations: []corev1.Toleration{{Key: "node.kubernetes.io/not-ready", Operator: corev1.TolerationOpExists,
			Effect: corev1.TaintEffectNoExecute, TolerationSeconds: ptr(int64(300))}},
	}
}

func template() corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app.kubernetes.io/name": "api"}}, Spec: spec(),
	}
}

func selector() *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app.kubernetes.io/name": "api"}}
}

func typed(group, version, kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: schema.GroupVersion{Group: group, Version: version}.String(), Kind: kind}
}

type request struct {
	name, group, version, kind, resource, sub string
	operation                                  admissionv1.Operation
	object, old, options                       runtime.Object
}

func pod(ephemeral bool) *corev1.Pod {
	one := &corev1.Pod{TypeMeta: typed("", "v1", "Pod"), ObjectMeta: meta("api-0"), Spec: spec(),
		Status: corev1.PodStatus{Phase: corev1.PodPending, QOSClass: corev1.PodQOSBurstable}}
	if ephemeral {
		one.Spec.EphemeralContainers = []corev1.EphemeralContainer{{
			EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "debugger-x", Image: debug, Stdin: true, TTY: true,
				ImagePullPolicy: corev1.PullIfNotPresent},
			TargetContainerName: "api",
		}}
	}
	return one
}

func requests() []request {
	create := &metav1.CreateOptions{TypeMeta: typed("meta.k8s.io", "v1", "CreateOptions"), FieldManager: "kubectl-create"}
	update := &metav1.UpdateOptions{TypeMeta: typed("meta.k8s.io", "v1", "UpdateOptions"), FieldManager: "kubectl-edit"}
	remove := &metav1.DeleteOptions{TypeMeta: typed("meta.k8s.io", "v1", "DeleteOptions")}
	C, U, D, X := admissionv1.Create, admissionv1.Update, admissionv1.Delete, admissionv1.Connect
	deleting := pod(false)
	deleting.DeletionTimestamp, deleting.DeletionGracePeriodSeconds = &moment, ptr(int64(30))
	deleting.Finalizers = []string{"example.com/wait"}
	return []request{
		{"pod-create", "", "v1", "Pod", "pods", "", C, pod(false), nil, create},
		{"pod-update", "", "v1", "Pod", "pods", "", U, pod(false), pod(false), update},
		{"pod-update-deleting", "", "v1", "Pod", "pods", "", U, deleting, pod(false), update},
		{"pod-ephemeralcontainers", "", "v1", "Pod", "pods", "ephemeralcontainers", U, pod(true), pod(false), update},
		{"pod-resize", "", "v1", "Pod", "pods", "resize", U, pod(false), pod(false), update},
		{"pod-status", "", "v1", "Pod", "pods", "status", U, pod(false), pod(false), update},
		{"pod-delete", "", "v1", "Pod", "pods", "", D, nil, pod(false), remove},
		{"pod-exec", "", "v1", "PodExecOptions", "pods", "exec", X,
			&corev1.PodExecOptions{TypeMeta: typed("", "v1", "PodExecOptions"), Stdin: true, Stdout: true, Container: "api", Command: []string{"sh"}}, nil, nil},
		{"pod-binding", "", "v1", "Binding", "pods", "binding", C,
			&corev1.Binding{TypeMeta: typed("", "v1", "Binding"), ObjectMeta: metav1.ObjectMeta{Name: "api-0", Namespace: namespace},
				Target: corev1.ObjectReference{Kind: "Node", Name: "node-1"}}, nil, create},
		{"pod-eviction", "policy", "v1", "Eviction", "pods", "eviction", C,
			&policyv1.Eviction{TypeMeta: typed("policy", "v1", "Eviction"), ObjectMeta: metav1.ObjectMeta{Name: "api-0", Namespace: namespace}}, nil, create},
		{"podtemplate-create", "", "v1", "PodTemplate", "podtemplates", "", C,
			&corev1.PodTemplate{TypeMeta: typed("", "v1", "PodTemplate"), ObjectMeta: meta("api"), Template: template()}, nil, create},
		{"replicationcontroller-create", "", "v1", "ReplicationController", "replicationcontrollers", "", C,
			&corev1.ReplicationController{TypeMeta: typed("", "v1", "ReplicationController"), ObjectMeta: meta("api"),
				Spec: corev1.ReplicationControllerSpec{Replicas: ptr(int32(1)), Template: ptr(template())}}, nil, create},
		{"replicationcontroller-without-template", "", "v1", "ReplicationController", "replicationcontrollers", "", C,
			&corev1.ReplicationController{TypeMeta: typed("", "v1", "ReplicationController"), ObjectMeta: meta("api")}, nil, create},
		{"deployment-create", "apps", "v1", "Deployment", "deployments", "", C,
			&appsv1.Deployment{TypeMeta: typed("apps", "v1", "Deployment"), ObjectMeta: meta("api"),
				Spec: appsv1.DeploymentSpec{Replicas: ptr(int32(2)), Selector: selector(), Template: template()}}, nil, create},
		{"deployment-scale", "autoscaling", "v1", "Scale", "deployments", "scale", U,
			&autoscalingv1.Scale{TypeMeta: typed("autoscaling", "v1", "Scale"), ObjectMeta: metav1.ObjectMeta{Name: "api", Namespace: namespace},
				Spec: autoscalingv1.ScaleSpec{Replicas: 3}}, nil, update},
		{"replicaset-create", "apps", "v1", "ReplicaSet", "replicasets", "", C,
			&appsv1.ReplicaSet{TypeMeta: typed("apps", "v1", "ReplicaSet"), ObjectMeta: meta("api-1"),
				Spec: appsv1.ReplicaSetSpec{Replicas: ptr(int32(2)), Selector: selector(), Template: template()}}, nil, create},
		{"statefulset-create", "apps", "v1", "StatefulSet", "statefulsets", "", C,
			&appsv1.StatefulSet{TypeMeta: typed("apps", "v1", "StatefulSet"), ObjectMeta: meta("api"),
				Spec: appsv1.StatefulSetSpec{Replicas: ptr(int32(2)), Selector: selector(), ServiceName: "api", Template: template()}}, nil, create},
		{"daemonset-create", "apps", "v1", "DaemonSet", "daemonsets", "", C,
			&appsv1.DaemonSet{TypeMeta: typed("apps", "v1", "DaemonSet"), ObjectMeta: meta("api"),
				Spec: appsv1.DaemonSetSpec{Selector: selector(), Template: template()}}, nil, create},
		{"job-create", "batch", "v1", "Job", "jobs", "", C,
			&batchv1.Job{TypeMeta: typed("batch", "v1", "Job"), ObjectMeta: meta("api"),
				Spec: batchv1.JobSpec{BackoffLimit: ptr(int32(6)), Template: template()}}, nil, create},
		{"cronjob-create", "batch", "v1", "CronJob", "cronjobs", "", C,
			&batchv1.CronJob{TypeMeta: typed("batch", "v1", "CronJob"), ObjectMeta: meta("api"),
				Spec: batchv1.CronJobSpec{Schedule: "*/5 * * * *", ConcurrencyPolicy: batchv1.AllowConcurrent,
					JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: template()}}}}, nil, create},
		{"configmap-create", "", "v1", "ConfigMap", "configmaps", "", C,
			&corev1.ConfigMap{TypeMeta: typed("", "v1", "ConfigMap"), ObjectMeta: meta("api"), Data: map[string]string{"image": "decoy:3"}}, nil, create},
	}
}

func main() {
	serializer := kjson.NewSerializerWithOptions(kjson.DefaultMetaFactory, nil, nil, kjson.SerializerOptions{})
	for number, one := range requests() {
		gvk := metav1.GroupVersionKind{Group: one.group, Version: one.version, Kind: one.kind}
		group := one.group
		if one.sub != "" {
			group = map[string]string{"deployments": "apps"}[one.resource]
		}
		gvr := metav1.GroupVersionResource{Group: group, Version: "v1", Resource: one.resource}
		review := &admissionv1.AdmissionReview{
			TypeMeta: typed("admission.k8s.io", "v1", "AdmissionReview"),
			Request: &admissionv1.AdmissionRequest{
				UID: types.UID(fmt.Sprintf("705ab4f5-6393-11e8-b7cc-%012d", number)), Kind: gvk, Resource: gvr, SubResource: one.sub,
				RequestKind: &gvk, RequestResource: &gvr, RequestSubResource: one.sub, Name: "api-0", Namespace: namespace, Operation: one.operation,
				UserInfo: authenticationv1.UserInfo{Username: "system:serviceaccount:kube-system:replicaset-controller",
					UID: "b1ff0c2f-4a5f-4a4b-9b1c-000000000001",
					Groups: []string{"system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"},
					Extra: map[string]authenticationv1.ExtraValue{"authentication.kubernetes.io/credential-id": {"JTI=8a5e1a7c"}}},
				Object: runtime.RawExtension{Object: one.object}, OldObject: runtime.RawExtension{Object: one.old},
				DryRun: ptr(false), Options: runtime.RawExtension{Object: one.options},
			},
		}
		var out bytes.Buffer
		if err := serializer.Encode(review, &out); err != nil {
			panic(err)
		}
		if err := os.WriteFile(filepath.Join(os.Args[1], one.name+".json"), out.Bytes(), 0o644); err != nil {
			panic(err)
		}
	}
}
