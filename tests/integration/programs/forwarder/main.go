// A service in Go that knows nothing of ezlogs: it forwards the W3C headers of a request, the way its HTTP library writes them.
package main

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"sort"
	"strings"
)

// reencoded returns the members of the baggage sorted by name, with their values encoded anew.
func reencoded(lines []string) string {
	var members []string
	for _, member := range strings.Split(strings.Join(lines, ","), ",") {
		name, value, found := strings.Cut(strings.TrimSpace(member), "=")
		decoded, err := url.PathUnescape(value)
		if found && err == nil {
			members = append(members, name+"="+strings.ReplaceAll(url.QueryEscape(decoded), "+", "%20"))
		}
	}
	sort.Strings(members)
	return strings.Join(members, ",")
}

func main() {
	following := os.Args[1]
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	panic(http.Serve(listener, http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		onward, err := http.NewRequest("GET", "http://127.0.0.1:"+following+"/orders", nil)
		if err != nil {
			panic(err)
		}
		for _, name := range []string{"Traceparent", "Tracestate"} {
			for _, line := range request.Header.Values(name) {
				onward.Header.Add(name, line)
			}
		}
		onward.Header.Set("Baggage", reencoded(request.Header.Values("Baggage")))
		response, err := http.DefaultClient.Do(onward)
		if err != nil {
			panic(err)
		}
		response.Body.Close()
		answer.WriteHeader(response.StatusCode)
	})))
}
