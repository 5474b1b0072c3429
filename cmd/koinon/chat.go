package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/credit"
)

func newChatCommand() *cobra.Command {
	var conn connection
	var model, system string
	var maxTokens int64
	var temperature float64
	cmd := &cobra.Command{
		Use:   "chat [MESSAGE]",
		Short: "Talk to a model in the terminal",
		Long: `Talks to a model through a gateway; each answer is followed by what it cost and
its receipt. With a message it answers once; without, it converses until Ctrl-D.`,
		Example: `  koinon chat
  koinon chat --max-tokens 80 "ROMEO:"
  echo "In the beginning" | koinon chat -`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := conn.needGateway(); err != nil {
				return err
			}
			c := conversation{
				client:      openai.NewClient(option.WithBaseURL(conn.gateway), option.WithAPIKey(conn.apiKey)),
				model:       model,
				maxTokens:   maxTokens,
				temperature: temperature,
				out:         cmd.OutOrStdout(),
				talk:        cmd.ErrOrStderr(),
			}
			if system != "" {
				c.messages = append(c.messages, openai.SystemMessage(system))
			}
			if len(args) == 1 && args[0] != "-" {
				return c.say(cmd.Context(), args[0])
			}
			return c.converse(cmd.Context(), cmd.InOrStdin(), len(args) == 0)
		},
	}
	conn.flags(cmd)
	cmd.Flags().StringVar(&model, "model", "", "model (default the gateway's first)")
	cmd.Flags().StringVar(&system, "system", "", "system message")
	cmd.Flags().Int64Var(&maxTokens, "max-tokens", 200, "longest answer, in tokens")
	cmd.Flags().Float64Var(&temperature, "temperature", 0.8, "0 for the likeliest words, more for variety")
	return cmd
}

// conversation is one exchange of messages with a model.
type conversation struct {
	client      openai.Client
	model       string
	messages    []openai.ChatCompletionMessageParamUnion
	maxTokens   int64
	temperature float64
	out, talk   io.Writer
}

// converse reads messages until the input ends: one a line from a person, the
// whole input as one message from a pipe.
func (c *conversation) converse(ctx context.Context, in io.Reader, interactive bool) error {
	if file, ok := in.(*os.File); ok && interactive {
		stat, err := file.Stat()
		interactive = err == nil && stat.Mode()&os.ModeCharDevice != 0
	}
	if !interactive {
		text, err := io.ReadAll(in)
		if err != nil {
			return err
		}
		return c.say(ctx, strings.TrimRight(string(text), "\n"))
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(in); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	for {
		fmt.Fprint(c.talk, "> ")
		select {
		case <-ctx.Done():
			return nil
		case line, ok := <-lines:
			if !ok {
				fmt.Fprintln(c.talk)
				return nil
			}
			if strings.TrimSpace(line) == "" {
				continue
			}
			if err := c.say(ctx, line); err != nil {
				fmt.Fprintln(c.talk, "koinon:", err)
			}
		}
	}
}

// say sends one message, prints the answer as it comes, and keeps both.
func (c *conversation) say(ctx context.Context, text string) error {
	if err := c.chooseModel(ctx); err != nil {
		return err
	}
	messages := append(c.messages, openai.UserMessage(text))
	stream := c.client.Chat.Completions.NewStreaming(ctx, openai.ChatCompletionNewParams{
		Model:       c.model,
		Messages:    messages,
		MaxTokens:   openai.Int(c.maxTokens),
		Temperature: openai.Float(c.temperature),
	})
	defer stream.Close()
	var answer strings.Builder
	var paid settlement
	for stream.Next() {
		chunk := stream.Current()
		for _, choice := range chunk.Choices {
			answer.WriteString(choice.Delta.Content)
			fmt.Fprint(c.out, choice.Delta.Content)
		}
		paid.read(chunk.RawJSON())
	}
	fmt.Fprintln(c.out)
	if err := stream.Err(); err != nil {
		return explain(err)
	}
	c.messages = append(messages, openai.AssistantMessage(answer.String()))
	if paid.Receipt != "" {
		fmt.Fprintf(c.talk, "[%s · %s · receipt %s]\n", credit.Dollars(paid.Cost), paid.Provider, paid.Receipt)
	}
	return nil
}

func (c *conversation) chooseModel(ctx context.Context) error {
	if c.model != "" {
		return nil
	}
	page, err := c.client.Models.List(ctx)
	if err != nil {
		return explain(err)
	}
	if len(page.Data) == 0 {
		return &exitError{exitNotFound, errors.New("the gateway knows no model: is a provider running?")}
	}
	c.model = page.Data[0].ID
	return nil
}

// settlement is what a gateway adds to the last chunk of an answer.
type settlement struct {
	Receipt  string `json:"receipt"`
	Provider string `json:"provider"`
	Cost     uint64 `json:"cost"`
}

func (s *settlement) read(chunk string) {
	var extra struct {
		Koinon settlement `json:"koinon"`
	}
	if json.Unmarshal([]byte(chunk), &extra) == nil && extra.Koinon.Receipt != "" {
		*s = extra.Koinon
	}
}

// explain turns an API error into its message.
func explain(err error) error {
	var api *openai.Error
	if errors.As(err, &api) && api.Message != "" {
		return fmt.Errorf("the gateway answered %d: %s", api.StatusCode, api.Message)
	}
	return fmt.Errorf("cannot reach the gateway: %w", err)
}
