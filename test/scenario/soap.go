package scenario

import (
	"context"
	_ "embed"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
)

// The two templates are what users of API Gateway write: the language has no XML, so that values are escaped by hand on the
// way there, and the answer is cut up as text on the way back.
var (
	//go:embed soap_request.vtl
	soapRequest string
	//go:embed soap_response.vtl
	soapResponse string
)

// order is an order in JSON, as the client sends it and gets it back.
type order struct {
	Customer string `json:"customer"`
	Total    int    `json:"total,omitempty"`
	Lines    []line `json:"lines"`
}

type line struct {
	SKU      string `json:"sku" xml:"urn:orders sku"`
	Quantity int    `json:"quantity" xml:"urn:orders quantity"`
}

// envelope is the order as the SOAP service reads it.
type envelope struct {
	XMLName xml.Name `xml:"http://schemas.xmlsoap.org/soap/envelope/ Envelope"`
	Order   *struct {
		Customer string `xml:"urn:orders customer"`
		Lines    []line `xml:"urn:orders lines>line"`
	} `xml:"Body>PlaceOrder"`
}

// soap is a SOAP service: it parses the envelope with a real XML parser, adds up, and answers in XML. What it cannot read is
// a fault.
func soap(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	var e envelope
	err := xml.NewDecoder(r.Body).Decode(&e)
	switch {
	case err == nil && e.Order == nil:
		err = fmt.Errorf("no PlaceOrder")
	case r.Header.Get("SOAPAction") != `"urn:orders/PlaceOrder"`:
		err = fmt.Errorf("SOAPAction %s", r.Header.Get("SOAPAction"))
	case !strings.HasPrefix(r.Header.Get("Content-Type"), "text/xml"):
		err = fmt.Errorf("Content-Type %s", r.Header.Get("Content-Type"))
	}
	var b strings.Builder
	text := func(name, value string) {
		_, _ = fmt.Fprintf(&b, "<%s>", name)
		_ = xml.EscapeText(&b, []byte(value))
		_, _ = fmt.Fprintf(&b, "</%s>", name)
	}
	b.WriteString(xml.Header + `<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>`)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		b.WriteString("<soap:Fault><faultcode>soap:Client</faultcode>")
		text("faultstring", err.Error())
		b.WriteString("</soap:Fault></soap:Body></soap:Envelope>")
		_, _ = fmt.Fprint(w, b.String())
		return
	}
	total := 0
	for _, l := range e.Order.Lines {
		total += l.Quantity
	}
	b.WriteString(`<PlaceOrderResponse xmlns="urn:orders">`)
	text("customer", e.Order.Customer)
	text("total", fmt.Sprint(total))
	b.WriteString("<lines>")
	for _, l := range e.Order.Lines {
		b.WriteString("<line>")
		text("sku", l.SKU)
		text("quantity", fmt.Sprint(l.Quantity))
		b.WriteString("</line>")
	}
	b.WriteString("</lines></PlaceOrderResponse></soap:Body></soap:Envelope>")
	_, _ = fmt.Fprint(w, b.String())
}

// callSOAP sends orders as JSON to a method whose backend speaks SOAP, and gets them back as JSON.
func callSOAP(ctx context.Context, w *World) (string, error) {
	if err := w.soapMethod(ctx); err != nil {
		return "", err
	}
	if _, err := deploy(ctx, w); err != nil {
		return "", err
	}
	var told []string
	for _, n := range []int{0, 1, 50} {
		sent := order{Customer: `Zoë & "Søn" <Ltd.> o'Neil \ 株式会社 😀`, Lines: []line{}}
		want := 0
		for i := range n {
			sent.Lines = append(sent.Lines, line{SKU: fmt.Sprintf(`<%d> & "ß"`, i), Quantity: i + 1})
			want += i + 1
		}
		got, a, err := w.placeOrder(ctx, sent)
		if err != nil {
			return "", err
		}
		if sent.Total = want; !reflect.DeepEqual(got, sent) {
			return "", fmt.Errorf("%d lines came back as %s", n, a.body)
		}
		told = append(told, fmt.Sprintf("%d lines, total %d", n, got.Total))
	}
	return "as JSON there and back: " + strings.Join(told, "; "), nil
}

func (w *World) placeOrder(ctx context.Context, o order) (order, answer, error) {
	body, err := json.Marshal(o)
	if err != nil {
		return order{}, answer{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.Data+"/_aws/execute-api/"+w.api+"/prod/soap", strings.NewReader(string(body)))
	if err != nil {
		return order{}, answer{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	a, err := do(req)
	if err != nil {
		return order{}, a, err
	}
	if err := a.expect(http.StatusOK); err != nil {
		return order{}, a, err
	}
	var got order
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		return order{}, a, fmt.Errorf("the answer is no JSON: %w: %s", err, a.body)
	}
	return got, a, nil
}

// soapMethod makes /soap: an HTTP integration with a template for each way, and one for faults.
func (w *World) soapMethod(ctx context.Context) error {
	api, err := w.apis.GetRestApi(ctx, &apigateway.GetRestApiInput{RestApiId: &w.api})
	if err != nil {
		return err
	}
	r, err := w.resource(ctx, *api.RootResourceId, "soap")
	if err != nil {
		return err
	}
	if err := w.method(ctx, r, "POST", nil); err != nil {
		return err
	}
	_, err = w.apis.PutIntegration(ctx, &apigateway.PutIntegrationInput{RestApiId: &w.api, ResourceId: &r, HttpMethod: aws.String("POST"),
		Type: types.IntegrationTypeHttp, IntegrationHttpMethod: aws.String("POST"), Uri: aws.String(w.Backend + "/soap"), PassthroughBehavior: aws.String("NEVER"),
		RequestTemplates: map[string]string{"application/json": soapRequest},
		RequestParameters: map[string]string{"integration.request.header.Content-Type": "'text/xml; charset=utf-8'",
			"integration.request.header.SOAPAction": `'"urn:orders/PlaceOrder"'`}})
	if err != nil {
		return err
	}
	if err := w.answers(ctx, r, "200", "", soapResponse); err != nil {
		return err
	}
	return w.answers(ctx, r, "502", `5\d\d`, `{"fault": "$util.escapeJavaScript($input.body)"}`)
}

// answers gives POST a method response and the integration response for a pattern, with a template.
func (w *World) answers(ctx context.Context, r, status, pattern, template string) error {
	_, err := w.apis.PutMethodResponse(ctx, &apigateway.PutMethodResponseInput{RestApiId: &w.api, ResourceId: &r, HttpMethod: aws.String("POST"), StatusCode: &status})
	if err != nil {
		return err
	}
	_, err = w.apis.PutIntegrationResponse(ctx, &apigateway.PutIntegrationResponseInput{RestApiId: &w.api, ResourceId: &r, HttpMethod: aws.String("POST"),
		StatusCode: &status, SelectionPattern: &pattern, ResponseTemplates: map[string]string{"application/json": template}})
	return err
}
