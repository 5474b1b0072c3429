package phrase

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/cosmos/gogoproto/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	_ "github.com/koinon/koinon/api/koinon/access/v1"
	_ "github.com/koinon/koinon/api/koinon/assembly/v1"
	_ "github.com/koinon/koinon/api/koinon/audit/v1"
	_ "github.com/koinon/koinon/api/koinon/beacon/v1"
	_ "github.com/koinon/koinon/api/koinon/challenge/v1"
	_ "github.com/koinon/koinon/api/koinon/curation/v1"
	_ "github.com/koinon/koinon/api/koinon/escrow/v1"
	_ "github.com/koinon/koinon/api/koinon/model/v1"
	_ "github.com/koinon/koinon/api/koinon/offering/v1"
	_ "github.com/koinon/koinon/api/koinon/pin/v1"
	_ "github.com/koinon/koinon/api/koinon/pool/v1"
	_ "github.com/koinon/koinon/api/koinon/provider/v1"
	_ "github.com/koinon/koinon/api/koinon/share/v1"
)

func TestSentences(t *testing.T) {
	names := func(s string) string { return map[string]string{"koinon1ada": "ada"}[s] }
	for _, c := range []struct{ kind, body, want string }{
		{"koinon.escrow.v1.MsgDeposit", `{"payer":"koinon1ada","amount":"5000000"}`, "ada deposited $5.00"},
		{"koinon.escrow.v1.EventForfeited", `{"provider":"koinon1ada"}`, "ada forfeited $0.00"},
		{"cosmos.bank.v1beta1.MsgSend", `{"from_address":"koinon1ada","to_address":"koinon1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqz","amount":[{"denom":"ucredit","amount":"250000"},{"denom":"share/ada/bard","amount":"7"}]}`,
			"ada sent $0.25 and 7 share/ada/bard to koinon1qqqq…qqqz"},
		{"koinon.audit.v1.EventConvicted", `{"conviction":{"convict":"koinon1ada","fine":"3000000"}}`, "ada was convicted and fined 3 KOIN"},
		{"koinon.model.v1.MsgRegisterVersion", `{"owner":"koinon1ada","name":"` + strings.Repeat("x", 200) + `"}`, "ada registered " + strings.Repeat("x", 80) + "…@?"},
		{"koinon.assembly.v1.MsgVote", `{"voter":"koinon1ada","proposal":"3","choice":"CHOICE_YES"}`, "ada voted yes on proposal 3 of shareholders"},
		{"koinon.share.v1.EventIssued", `{"model":"bard","supply":"1234567"}`, "bard has 1\u202f234\u202f567 shares"},
		{"koinon.unheard.v1.MsgOf", `{}`, "Of"},
	} {
		if s, _ := Of(c.kind, json.RawMessage(c.body), names); s.String() != c.want {
			t.Errorf("%s: %q, want %q", c.kind, s, c.want)
		}
	}
}

// Every sentence is about a message that is, and fields that it has.
func TestPatternsName(t *testing.T) {
	for kind, pattern := range patterns {
		if !strings.HasPrefix(kind, "koinon.") {
			continue
		}
		message := proto.MessageType(kind)
		if message == nil {
			t.Errorf("%s is no message", kind)
			continue
		}
		for rest := pattern; ; {
			_, after, found := strings.Cut(rest, "{")
			if !found {
				break
			}
			var place string
			place, rest, _ = strings.Cut(after, "}")
			path, _, _ := strings.Cut(place, ":")
			first, _, _ := strings.Cut(path, ".")
			has := false
			for i := range message.Elem().NumField() {
				has = has || strings.Contains(message.Elem().Field(i).Tag.Get("protobuf"), "name="+first+",")
			}
			if !has {
				t.Errorf("%s has no field %s", kind, first)
			}
		}
	}
}

// Every message and every event of koinon's modules has a sentence.
func TestEveryMessageHasASentence(t *testing.T) {
	seen := 0
	proto.HybridResolver.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		if !strings.HasPrefix(string(file.Package()), "koinon.") {
			return true
		}
		for i := range file.Messages().Len() {
			m := file.Messages().Get(i)
			name := string(m.Name())
			if !strings.HasPrefix(name, "Event") && (!strings.HasPrefix(name, "Msg") || strings.HasSuffix(name, "Response")) {
				continue
			}
			seen++
			if patterns[string(m.FullName())] == "" {
				t.Errorf("%s has no sentence", m.FullName())
			}
		}
		return true
	})
	if seen < 100 {
		t.Errorf("only %d messages were looked at", seen)
	}
}

func FuzzOf(f *testing.F) {
	f.Add("koinon.escrow.v1.MsgDeposit", []byte(`{"payer":"a","amount":"5"}`))
	f.Add("cosmos.bank.v1beta1.MsgSend", []byte(`{"amount":[{"denom":1}]}`))
	f.Fuzz(func(t *testing.T, kind string, body []byte) { Of(kind, body, nil) })
}
