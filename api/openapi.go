// Package api holds generated code, and the description of the gateway's HTTP API.
package api

import _ "embed"

// OpenAPI is the description of the gateway's HTTP API, in YAML, OpenAPI 3.1.
//
//go:embed openapi.yaml
var OpenAPI []byte
