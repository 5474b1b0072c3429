package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/koinon/koinon/api"
)

// document is the description of the API, and its schemas by where they are.
type document struct {
	root     map[string]any
	compiler *jsonschema.Compiler
	mu       sync.Mutex
	schemas  map[string]*jsonschema.Schema
}

var described = sync.OnceValue(func() *document {
	var loose any
	if err := yaml.Unmarshal(api.OpenAPI, &loose); err != nil {
		panic(err)
	}
	data, err := json.Marshal(loose)
	if err != nil {
		panic(err)
	}
	d := &document{compiler: jsonschema.NewCompiler(), schemas: map[string]*jsonschema.Schema{}}
	root, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		panic(err)
	}
	d.root = root.(map[string]any)
	d.compiler.AssertFormat()
	if err := d.compiler.AddResource("openapi.json", root); err != nil {
		panic(err)
	}
	return d
})

// at is what lies at a JSON pointer, through references; and where that is.
func (d *document) at(pointer string) (map[string]any, string) {
	var v any = d.root
	for _, step := range strings.Split(pointer, "/")[1:] {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, pointer
		}
		v = m[strings.NewReplacer("~1", "/", "~0", "~").Replace(step)]
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, pointer
	}
	if ref, ok := m["$ref"].(string); ok {
		return d.at(strings.TrimPrefix(ref, "#"))
	}
	return m, pointer
}

// validate holds JSON against the schema at a pointer.
func (d *document) validate(pointer string, data []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.schemas[pointer]
	if s == nil {
		var err error
		if s, err = d.compiler.Compile("openapi.json#" + pointer); err != nil {
			return err
		}
		d.schemas[pointer] = s
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("%w: %s", err, data)
	}
	if err := s.Validate(v); err != nil {
		return fmt.Errorf("%w\n%s", err, data)
	}
	return nil
}

// operation is where a route of the server is described.
func operation(route string) string {
	method, path, _ := strings.Cut(route, " ")
	path = strings.ReplaceAll(path, "...", "")
	return "/paths/" + strings.ReplaceAll(path, "/", "~1") + "/" + strings.ToLower(method)
}

// response says where a response is described.
func (d *document) response(operation string, status int) (map[string]any, string) {
	if r, at := d.at(fmt.Sprintf("%s/responses/%d", operation, status)); r != nil {
		return r, at
	}
	return d.at(operation + "/responses/default")
}

// checked holds every exchange with a server against the document: what a test
// of the gateway asks and gets is what the document says.
func checked(t testing.TB, handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(asked))
		said := &transcript{ResponseWriter: w, status: http.StatusOK}
		handler.ServeHTTP(said, r)
		if r.Context().Err() != nil || r.Pattern == "" || r.Pattern == "/" {
			return // cut off, or no operation
		}
		if err := described().exchange(r.Pattern, asked, said); err != nil {
			t.Errorf("%s: %v", r.Pattern, err)
		}
	})
}

// exchange checks one.
func (d *document) exchange(route string, asked []byte, said *transcript) error {
	at := operation(route)
	if o, _ := d.at(at); o == nil {
		return fmt.Errorf("the document does not have it")
	}
	if body, where := d.at(at + "/requestBody"); body != nil && said.status == http.StatusOK {
		if err := d.validate(where+"/content/application~1json/schema", asked); err != nil {
			return fmt.Errorf("a request that was served: %w", err)
		}
	}
	r, where := d.response(at, said.status)
	if r == nil {
		return fmt.Errorf("the document has no response %d", said.status)
	}
	kind, _, _ := strings.Cut(said.Header().Get("Content-Type"), ";")
	content, _ := r["content"].(map[string]any)
	if content[kind] == nil {
		return fmt.Errorf("the response %d has no content of the type %q", said.status, kind)
	}
	for name := range d.required(where) {
		if said.Header().Get(name) == "" {
			return fmt.Errorf("the response %d has no header %s", said.status, name)
		}
	}
	schema := where + "/content/" + strings.ReplaceAll(kind, "/", "~1") + "/schema"
	switch kind {
	case "application/json":
		return d.validate(schema, said.body.Bytes())
	case "text/event-stream":
		for _, line := range strings.Split(said.body.String(), "\n") {
			data, ok := strings.CutPrefix(line, "data: ")
			if !ok || data == "[DONE]" {
				continue
			}
			if err := d.validate(schema, []byte(data)); err != nil {
				return err
			}
		}
	}
	return nil
}

// required are the headers that a response must have.
func (d *document) required(response string) map[string]bool {
	names := map[string]bool{}
	headers, _ := d.at(response + "/headers")
	for name := range headers {
		if h, _ := d.at(response + "/headers/" + name); h["required"] == true {
			names[name] = true
		}
	}
	return names
}

// transcript is what was said.
type transcript struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (s *transcript) WriteHeader(status int) { s.status = status; s.ResponseWriter.WriteHeader(status) }

func (s *transcript) Write(b []byte) (int, error) {
	s.body.Write(b)
	return s.ResponseWriter.Write(b)
}

func (s *transcript) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// The document has every route of the server, by its methods, and no other; all
// its schemas are sound, and it is served.
func TestTheDocumentIsTheServer(t *testing.T) {
	h := newHarness(t, newScripted(t, "p", testPrice, "x"))
	d := described()
	var served, said []string
	for route := range h.gateway.routes() {
		served = append(served, operation(route))
	}
	for path, item := range d.root["paths"].(map[string]any) {
		for method := range item.(map[string]any) {
			said = append(said, operation(strings.ToUpper(method)+" "+path))
		}
	}
	slices.Sort(served)
	slices.Sort(said)
	if !slices.Equal(served, said) {
		t.Errorf("the server has\n%s\nthe document\n%s", strings.Join(served, "\n"), strings.Join(said, "\n"))
	}
	schemas, _ := d.at("/components/schemas")
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		if _, err := d.compiler.Compile("openapi.json#/components/schemas/" + name); err != nil {
			t.Error(err)
		}
	}
	ids := map[string]bool{}
	for _, at := range said {
		o, _ := d.at(at)
		id, _ := o["operationId"].(string)
		if id == "" || ids[id] || o["summary"] == nil || o["responses"] == nil {
			t.Errorf("%s: its id is %q", at, id)
		}
		ids[id] = true
	}
	if got := h.do("GET", "/openapi.yaml", "", ""); got.status != 200 || got.body != string(api.OpenAPI) || d.root["openapi"] != "3.1.0" {
		t.Errorf("served: %d", got.status)
	}
}

// A response that is not as described is noticed.
func TestTheDocumentRefuses(t *testing.T) {
	d := described()
	const chat = "POST /v1/chat/completions"
	said := func(status int, header http.Header, body string) *transcript {
		s := &transcript{ResponseWriter: headers(header), status: status}
		s.body.WriteString(body)
		return s
	}
	good := http.Header{"Content-Type": {"application/json"}, "Koinon-Model": {testModel.String()}}
	failure := `{"error":{"message":"x","type":"y","param":null,"code":null}}`
	if err := d.exchange(chat, []byte(hello+"}"), said(400, good, failure)); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*transcript{
		"an answer without choices": said(200, good, `{"id":"chatcmpl-1"}`),
		"another content":           said(400, http.Header{"Content-Type": {"text/plain"}}, failure),
		"an error of another form":  said(400, good, `{"error":"x"}`),
		"no header":                 said(200, http.Header{"Content-Type": {"text/event-stream"}}, ""),
		"an event of another form":  said(200, http.Header{"Content-Type": {"text/event-stream"}, "Koinon-Model": {"x"}}, "data: {}\n\n"),
	} {
		if d.exchange(chat, []byte(hello+"}"), s) == nil {
			t.Errorf("%s passes", name)
		}
	}
}

// headers is a response of headers alone.
type headers http.Header

func (h headers) Header() http.Header         { return http.Header(h) }
func (h headers) Write(b []byte) (int, error) { return len(b), nil }
func (h headers) WriteHeader(int)             {}
