package statistical

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

//go:embed profiles.json
var measured []byte

// Measured are the profiles that make calibrate has measured, as docs/proof.md
// says: of models that it trains, and of the one that ships.
func Measured() ([]Profile, error) { return ReadProfiles(measured) }

// ReadProfiles reads a list of profiles, each of which can judge.
func ReadProfiles(data []byte) ([]Profile, error) {
	var list []Profile
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProfile, err)
	}
	for i, p := range list {
		if err := p.Validate(); err != nil {
			return nil, fmt.Errorf("profile %d, of %s %s: %w", i, p.Model, p.Quantisation, err)
		}
	}
	return list, nil
}

// Find chooses the profile that judges a job by a method; where several engines
// and machines were measured, the one with the highest honest mean: who is judged
// does not choose, and is not accused for an honest choice. Its error is
// [Inconclusive].
func Find(list []Profile, model, quantisation string, method Method, temperature float32) (Profile, error) {
	var found Profile
	for _, p := range list {
		if p.Model == model && p.Quantisation == quantisation && p.Method == method &&
			temperature >= p.Least && temperature <= p.Most && p.Mean > found.Mean {
			found = p
		}
	}
	if found.Mean == 0 {
		return found, &Inconclusive{UnknownModel, fmt.Errorf("%s %s by %s at temperature %g", model, quantisation, method, temperature)}
	}
	return found, nil
}
