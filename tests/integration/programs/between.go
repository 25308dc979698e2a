// A service without OpenTelemetry, as there are many: it answers by asking the next one, and passes on the three W3C
// headers by hand. Called with the URL of the next service; prints its own.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

func main() {
	http.HandleFunc("/", func(answer http.ResponseWriter, asked *http.Request) {
		onward, err := http.NewRequest(asked.Method, os.Args[1], nil)
		if err != nil {
			panic(err)
		}
		for _, name := range []string{"traceparent", "tracestate", "baggage"} {
			for _, line := range asked.Header.Values(name) {
				onward.Header.Add(name, line)
			}
		}
		answered, err := http.DefaultClient.Do(onward)
		if err != nil {
			panic(err)
		}
		defer answered.Body.Close()
		answer.WriteHeader(answered.StatusCode)
		io.Copy(answer, answered.Body)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Printf("http://%s/\n", listener.Addr())
	http.Serve(listener, nil)
}
