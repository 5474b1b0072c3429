package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// events tells a page of each new block, as server-sent events (HTML, section 9.2).
func (s *Site) events(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	for {
		moved := s.config.Index.Moved()
		height, err := s.config.Index.Height(r.Context())
		if err != nil {
			return
		}
		data, err := json.Marshal(map[string]int64{"height": height})
		if err != nil {
			return
		}
		// A reader that does not read is let go.
		if err := control.SetWriteDeadline(time.Now().Add(30 * time.Second)); err != nil {
			return
		}
		if _, err := fmt.Fprintf(w, "event: block\ndata: %s\n\n", data); err != nil || control.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-s.config.Ended:
			return
		case <-moved:
		}
	}
}
