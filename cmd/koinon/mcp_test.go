package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/rogpeppe/go-internal/testscript"
)

// assistant is the script command `[!] assistant TOOL ARGUMENTS`: it starts koinon
// mcp, as assistants do, and prints its tools and what one of them answers, which
// with a ! has to be an error.
func assistant(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: assistant TOOL ARGUMENTS")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var program string
	for _, folder := range filepath.SplitList(ts.Getenv("PATH")) {
		if path, err := exec.LookPath(filepath.Join(folder, "koinon")); err == nil {
			program = path
			break
		}
	}
	cmd := exec.CommandContext(ctx, program, "mcp")
	cmd.Dir, cmd.Env, cmd.Stderr = ts.MkAbs("."), append(os.Environ(), "HOME="+ts.Getenv("HOME")), ts.Stderr()
	client := sdk.NewClient(&sdk.Implementation{Name: "script", Version: "1"}, nil)
	session, err := client.Connect(ctx, &sdk.CommandTransport{Command: cmd}, nil)
	ts.Check(err)
	for tool, err := range session.Tools(ctx, nil) {
		ts.Check(err)
		ts.Stdout().Write([]byte("tool " + tool.Name + "\n"))
	}
	answer, err := session.CallTool(ctx, &sdk.CallToolParams{Name: args[0], Arguments: json.RawMessage(args[1])})
	ts.Check(err)
	for _, c := range answer.Content {
		if text, ok := c.(*sdk.TextContent); ok {
			ts.Stdout().Write([]byte(text.Text + "\n"))
		}
	}
	if answer.IsError != neg {
		ts.Fatalf("whether the tool failed is %v", answer.IsError)
	}
	ts.Check(session.Close())
}
