package web

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
)

// export writes a page's table as CSV or JSON.
func export(w http.ResponseWriter, format string, p page) {
	switch format {
	case "json":
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(p.Rows) // who asked may have left
	case "csv":
		w.Header().Set("Content-Type", "text/csv; charset=utf-8")
		w.Header().Set("Content-Disposition", `attachment; filename="koinon-`+p.Template+`.csv"`)
		table := csv.NewWriter(w)
		_ = table.WriteAll(cells(reflect.ValueOf(p.Rows))) // likewise
	default:
		http.Error(w, "format is csv or json", http.StatusBadRequest)
	}
}

// cells are a slice of structs as lines, under the names of its fields in JSON.
func cells(rows reflect.Value) [][]string {
	fields := reflect.VisibleFields(rows.Type().Elem())
	var head []string
	for _, f := range fields {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		head = append(head, name)
	}
	table := [][]string{head}
	for i := range rows.Len() {
		var line []string
		for _, f := range fields {
			line = append(line, cell(rows.Index(i).FieldByIndex(f.Index)))
		}
		table = append(table, line)
	}
	return table
}

// cell is a value as a spreadsheet takes it: text that would be a formula, and
// that others may have named, gets a quote before it.
func cell(v reflect.Value) string {
	if v.Kind() == reflect.String {
		s := v.String()
		if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
			return "'" + s
		}
		return s
	}
	if v.Kind() == reflect.Slice || v.Kind() == reflect.Struct {
		data, err := json.Marshal(v.Interface())
		if err != nil {
			return ""
		}
		return string(data)
	}
	return fmt.Sprint(v.Interface())
}
