package engine

import (
	"encoding/base64"
	"fmt"
	"io"
	"os"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiserverv1 "k8s.io/apiserver/pkg/apis/apiserver/v1"
	"sigs.k8s.io/yaml"
)

// encryptionConfig is the file that holds the key for secrets at rest. Whoever
// restores a snapshot elsewhere needs it, together with pki/.
func (p Paths) encryptionConfig() string { return p.pkiFile(encryptionFile) }

const encryptionFile = "encryption.yaml"

// ensureEncryption makes the key under which the API server encrypts Secrets
// before they reach etcd. The key is made once; random is where it comes from.
func ensureEncryption(paths Paths, random io.Reader) error {
	if _, err := os.Stat(paths.encryptionConfig()); err == nil {
		return nil
	}
	key := make([]byte, 32)
	if _, err := io.ReadFull(random, key); err != nil {
		return fmt.Errorf("make the encryption key: %w", err)
	}
	config := apiserverv1.EncryptionConfiguration{
		TypeMeta: metav1.TypeMeta{APIVersion: apiserverv1.SchemeGroupVersion.String(), Kind: "EncryptionConfiguration"},
		Resources: []apiserverv1.ResourceConfiguration{{
			Resources: []string{"secrets"},
			Providers: []apiserverv1.ProviderConfiguration{
				{Secretbox: &apiserverv1.SecretboxConfiguration{
					Keys: []apiserverv1.Key{{Name: "key1", Secret: base64.StdEncoding.EncodeToString(key)}},
				}},
				{Identity: &apiserverv1.IdentityConfiguration{}},
			},
		}},
	}
	content, err := yaml.Marshal(config)
	if err != nil {
		return err
	}
	return writeFile(paths.encryptionConfig(), content)
}
