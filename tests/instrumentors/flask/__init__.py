"""The tests of the Flask instrumentor, with real applications, on the test client and on real servers."""
