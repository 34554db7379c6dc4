package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
)

// writes changes the control plane at a steady pace and remembers what was acknowledged.
type writes struct {
	site  *site
	tally *tally
	ended sync.WaitGroup

	mu    sync.Mutex // guards acked
	acked []string   // ids of APIs
}

const writeEvery = 250 * time.Millisecond

func startWrites(ctx context.Context, s *site) *writes {
	w := &writes{site: s, tally: newTally()}
	w.ended.Go(func() {
		for n := 0; pause(ctx, writeEvery); n++ {
			api, err := s.apis.CreateRestApi(ctx, &apigateway.CreateRestApiInput{Name: aws.String(fmt.Sprintf("write-%d", n))})
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				w.tally.saw("not acknowledged")
				continue
			}
			w.tally.saw("")
			w.mu.Lock()
			w.acked = append(w.acked, *api.Id)
			w.mu.Unlock()
		}
	})
	return w
}

// lost are the acknowledged writes that cannot be read back.
func (w *writes) lost(ctx context.Context) (lost []string, acked int, err error) {
	w.mu.Lock()
	ids := append([]string(nil), w.acked...)
	w.mu.Unlock()
	there := map[string]bool{}
	pages := apigateway.NewGetRestApisPaginator(w.site.client(aws.NopRetryer{}), &apigateway.GetRestApisInput{Limit: aws.Int32(500)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, 0, errors.Join(errors.New("reading back"), err)
		}
		for _, api := range page.Items {
			there[*api.Id] = true
		}
	}
	for _, id := range ids {
		if !there[id] {
			lost = append(lost, id)
		}
	}
	return lost, len(ids), nil
}

// notLost is the error about acknowledged writes that are lost; nil when none is.
func notLost(lost []string) error {
	if len(lost) == 0 {
		return nil
	}
	return fmt.Errorf("%d acknowledged writes are lost: %v", len(lost), lost)
}
