// k8sdecode reads Kubernetes manifests from standard input and decodes each one strictly with the types of k8s.io/api:
// unknown fields, duplicate keys and wrong types are errors. It prints one line a document, `apiVersion kind name`, and
// exits 1 when any document does not decode.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
)

func main() {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		admissionregistrationv1.AddToScheme, appsv1.AddToScheme, batchv1.AddToScheme, corev1.AddToScheme,
		networkingv1.AddToScheme, policyv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	documents := yaml.NewYAMLReader(bufio.NewReader(os.Stdin))
	failed, count := false, 0
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		object, kind, err := decoder.Decode(document, nil, nil)
		if err != nil {
			fmt.Fprintf(os.Stderr, "document %d: %v\n", count, err)
			failed = true
		} else {
			accessor, err := meta.Accessor(object)
			if err != nil {
				fmt.Fprintf(os.Stderr, "document %d: %v\n", count, err)
				failed = true
			} else {
				fmt.Println(kind.GroupVersion(), kind.Kind, accessor.GetName())
			}
		}
		count++
	}
	if failed || count == 0 {
		os.Exit(1)
	}
}
