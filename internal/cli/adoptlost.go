package cli

import (
	"fmt"
	"maps"
	"slices"
)

// lost names the fields that were sent and that the API server did not keep: it
// drops what a feature gate hides without a word.
func lost(sent, kept any, path string) (fields []string) {
	switch sent := sent.(type) {
	case map[string]any:
		kept, _ := kept.(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(sent)) {
			if value, ok := kept[key]; ok {
				fields = append(fields, lost(sent[key], value, path+"."+key)...)
			} else if !isEmpty(sent[key]) {
				fields = append(fields, path+"."+key)
			}
		}
	case []any:
		kept, _ := kept.([]any)
		for i := range sent {
			if i >= len(kept) {
				return append(fields, fmt.Sprintf("%s[%d]", path, i))
			}
			fields = append(fields, lost(sent[i], kept[i], fmt.Sprintf("%s[%d]", path, i))...)
		}
	}
	return fields
}

func isEmpty(value any) bool {
	switch value := value.(type) {
	case nil:
		return true
	case map[string]any:
		return len(value) == 0
	case []any:
		return len(value) == 0
	}
	return false
}
