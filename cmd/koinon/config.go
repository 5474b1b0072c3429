package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// configure fills config, whose fields the command's flags are bound to. What
// was said last and nearest wins: flags, then KOINON_* variables, then the
// file, then the defaults already in config. Keys that config does not know
// are refused, so that a typing error is not silently a default.
func configure(cmd *cobra.Command, file string, config any) error {
	said := map[string]string{}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		said[f.Name] = f.Value.String()
		if list, ok := f.Value.(pflag.SliceValue); ok {
			said[f.Name] = strings.Join(list.GetSlice(), ",")
		}
	})

	if file != "" {
		if err := readConfig(file, config); err != nil {
			return err
		}
	}
	var failed error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		value, ok := said[f.Name]
		if !ok {
			value = os.Getenv(variable(f.Name))
			ok = value != ""
		}
		if !ok || failed != nil {
			return
		}
		if err := set(f.Value, value); err != nil {
			failed = usageError("%q is not a value for --%s (or %s): %w", value, f.Name, variable(f.Name), err)
		}
	})
	return failed
}

// set gives a flag its value; lists, which would grow, are replaced.
func set(flag pflag.Value, value string) error {
	if list, ok := flag.(pflag.SliceValue); ok {
		if value == "" {
			return list.Replace(nil)
		}
		return list.Replace(strings.Split(value, ","))
	}
	return flag.Set(value)
}

func readConfig(file string, config any) error {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("cannot read the configuration: %w", err)
	}
	defer f.Close()
	decoder := yaml.NewDecoder(f)
	decoder.KnownFields(true)
	if err := decoder.Decode(config); err != nil && !errors.Is(err, io.EOF) {
		return usageError("%s: %w", file, err)
	}
	return nil
}

// variable is the environment variable that stands for a flag.
func variable(flag string) string {
	return "KOINON_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}
