"""A shop of Flask's, as anybody would write it: a factory, a blueprint, users of Flask-Login."""

from __future__ import annotations

import flask
from common import SECRET, Counted, hang, place
from flask_login import LoginManager, UserMixin, current_user, login_user

shop = flask.Blueprint("shop", __name__)


class User(UserMixin):
    """The only one there is."""

    def __init__(self):
        self.id = 7


@shop.post("/login")
def login():
    """Let anybody in."""
    login_user(User())
    return "ok"


@shop.post("/orders/<int:order>")
def order(order):
    """Place an order for whoever has logged in."""
    if not current_user.is_authenticated:
        flask.abort(401)
    place(order)
    return "ok"


@shop.get("/hang/<int:order>")
def hangs(order):
    """Never answer."""
    hang(order)


@shop.post("/uploads/<name>")
def upload(name):
    """Take a large body as it comes."""
    counted = Counted()
    while chunk := flask.request.stream.read(65536):
        counted.add(chunk)
    return str(counted)


@shop.get("/fails/<name>")
def fails(name):
    """Say too much in an error."""
    raise ValueError(f"Authorization: Bearer {SECRET}")


def create_app():
    """Make the application."""
    app = flask.Flask(__name__)
    app.secret_key = "only for tests"
    manager = LoginManager(app)
    manager.user_loader(lambda key: User())
    app.register_blueprint(shop)
    app.add_url_rule("/healthz", view_func=lambda: "ok", endpoint="healthz")
    app.add_url_rule("/reset/<token>", view_func=lambda token: "ok", endpoint="reset")
    return app


app = create_app()
