"""An application in a second interpreter beside one in the first, as mod_wsgi has them."""

from __future__ import annotations

import _xxsubinterpreters as interpreters
import sys

APPLICATION = f"""
import sys
sys.path[:] = {sys.path!r}
import threading, time
import flask
import ezlogs
ezlogs.configure(service_name="shop", instrument=["ezlogs_flask"])
app = flask.Flask("second")
app.add_url_rule("/orders/<int:order>", view_func=lambda order: (ezlogs.event("order.action", "seen"), "ok")[1])
assert app.test_client().get("/orders/42").text == "ok"
assert ezlogs.flush(20)
ezlogs.shutdown()
until = time.monotonic() + 20
while threading.active_count() > 1 and time.monotonic() < until:
    time.sleep(0.01)
"""

if __name__ == "__main__":
    import ezlogs

    ezlogs.configure(service_name="shop")
    second = interpreters.create(isolated=False)
    interpreters.run_string(second, APPLICATION)
    interpreters.destroy(second)
    ezlogs.event("order.action", "goes on")
    assert ezlogs.flush(20)
    ezlogs.shutdown()
    sys.stdout.write("both ended\n")
