package wire

import (
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"testing/iotest"
)

// TestLambda_aBodyThatDoesNotArrive is no success.
func TestLambda_aBodyThatDoesNotArrive(t *testing.T) {
	f := New(Config{Lambda: func(string, string) http.Handler { return http.NotFoundHandler() }})
	w := httptest.NewRecorder()
	f.ServeHTTP(w, httptest.NewRequest("POST", lambdaPrefix+"f/invocations", iotest.ErrReader(os.ErrDeadlineExceeded)))
	if w.Code != http.StatusBadRequest || w.Body.String() != `{"message":"the request body can not be read"}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
