package main

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
)

// source is what the Go files of an API package say: the order of fields, and
// the comments.
type source struct {
	types  map[string]goType
	values []*doc.Value
}

// goType is a struct of the API.
type goType struct {
	comment string
	fields  []goField
}

// goField has the name that it has in a manifest. The type is written as in Go,
// without pointers.
type goField struct {
	name, typeName, comment string
}

func parseSource(folder string) (source, error) {
	names, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return source{}, err
	}
	files := token.NewFileSet()
	var parsed []*ast.File
	for _, name := range names {
		if base := filepath.Base(name); strings.HasPrefix(base, "zz_") || strings.HasSuffix(base, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return source{}, err
		}
		file, err := parser.ParseFile(files, name, text, parser.ParseComments)
		if err != nil {
			return source{}, err
		}
		parsed = append(parsed, file)
	}
	described, err := doc.NewFromFiles(files, parsed, "api")
	if err != nil {
		return source{}, err
	}
	out := source{types: map[string]goType{}, values: described.Consts}
	for _, t := range described.Types {
		if structure, ok := t.Decl.Specs[0].(*ast.TypeSpec).Type.(*ast.StructType); ok {
			out.types[t.Name] = goType{comment: prose(t.Doc), fields: fieldsOf(structure)}
		}
	}
	return out, nil
}

func fieldsOf(structure *ast.StructType) (fields []goField) {
	for _, field := range structure.Fields.List {
		if field.Tag == nil || len(field.Names) == 0 {
			continue // what every object has
		}
		name, _, _ := strings.Cut(reflect.StructTag(strings.Trim(field.Tag.Value, "`")).Get("json"), ",")
		typeName := strings.ReplaceAll(types.ExprString(field.Type), "*", "")
		fields = append(fields, goField{name: name, typeName: typeName, comment: prose(field.Doc.Text())})
	}
	return fields
}

// prose leaves out the lines that speak to generators.
func prose(comment string) string {
	var lines []string
	for _, line := range strings.Split(comment, "\n") {
		if !strings.HasPrefix(line, "+") {
			lines = append(lines, line)
		}
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// constants returns a table of the constants that are declared together with the
// one of that name: their values, and their comments.
func (s source) constants(name string) (string, error) {
	for _, value := range s.values {
		table, found := "| | |\n| --- | --- |\n", false
		for _, spec := range value.Decl.Specs {
			constant := spec.(*ast.ValueSpec)
			literal, ok := constant.Values[0].(*ast.BasicLit)
			if !ok {
				continue
			}
			text, err := strconv.Unquote(literal.Value)
			if err != nil {
				return "", err
			}
			found = found || constant.Names[0].Name == name
			comment := constant.Doc.Text()
			if comment == "" {
				comment = value.Doc
			}
			table += fmt.Sprintf("| `%s` | %s |\n", text, oneLine(predicate(prose(comment), constant.Names[0].Name)))
		}
		if found {
			return strings.TrimSpace(table), nil
		}
	}
	return "", fmt.Errorf("there is no constant %s in api/v1alpha1", name)
}

// predicate leaves out the name that a comment begins with.
func predicate(comment, name string) string {
	return strings.TrimLeft(strings.TrimPrefix(comment, name), ": ")
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
