// Asks containers/image whether a policy.json lets images through, as Podman, CRI-O and Skopeo ask it.
//
//	policyjson POLICY REGISTRIES_CONF REGISTRIES_D < references
//
// One line for each reference (registry/repository@digest): "allowed", or "denied" and why. Of an index, what counts is
// the image for linux/amd64, as when it is pulled. A policy that cannot be read ends the program with code 2.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"

	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/image"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"
)

func main() {
	policy, err := signature.NewPolicyFromFile(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "policy:", err)
		os.Exit(2)
	}
	system := &types.SystemContext{
		SystemRegistriesConfPath: os.Args[2],
		RegistriesDirPath:        os.Args[3],
		OSChoice:                 "linux",
		ArchitectureChoice:       "amd64",
		DockerAuthConfig:         &types.DockerAuthConfig{},
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if err := ask(policy, system, lines.Text()); err != nil {
			fmt.Println("denied", strings.Join(strings.Fields(err.Error()), " "))
		} else {
			fmt.Println("allowed")
		}
	}
}

func ask(policy *signature.Policy, system *types.SystemContext, name string) error {
	ctx := context.Background()
	asking, err := signature.NewPolicyContext(policy)
	if err != nil {
		return err
	}
	defer asking.Destroy()
	reference, err := docker.ParseReference("//" + name)
	if err != nil {
		return err
	}
	source, err := reference.NewImageSource(ctx, system)
	if err != nil {
		return err
	}
	defer source.Close()
	unparsed := image.UnparsedInstance(source, nil)
	content, kind, err := unparsed.Manifest(ctx)
	if err != nil {
		return err
	}
	if manifest.MIMETypeIsMultiImage(kind) {
		list, err := manifest.ListFromBlob(content, kind)
		if err != nil {
			return err
		}
		instance, err := list.ChooseInstance(system)
		if err != nil {
			return err
		}
		unparsed = image.UnparsedInstance(source, &instance)
	}
	_, err = asking.IsRunningImageAllowed(ctx, unparsed)
	return err
}
