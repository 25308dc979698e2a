"""A shop of FastAPI's, as anybody would write it: routers, dependencies, what a task yields, a lifespan."""

from __future__ import annotations

from contextlib import asynccontextmanager

from common import SECRET, Counted, hang, place
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import PlainTextResponse
from starlette.authentication import SimpleUser


class User(SimpleUser):
    """The only one there is."""

    def __init__(self):
        super().__init__("ada")
        self.id = 7


async def user(request: Request):
    """Know who asks by the cookie."""
    if request.cookies.get("user") != "7":
        raise HTTPException(401)
    request.state.user = User()
    yield request.state.user


orders = APIRouter(prefix="/orders")


@orders.post("/{order}", response_class=PlainTextResponse)
async def place_order(order: int, who: User = Depends(user)):  # noqa: B008  # how FastAPI wants it
    """Place an order for whoever has logged in."""
    place(order)
    return "ok"


@asynccontextmanager
async def lifespan(app):
    """Be there."""
    yield {"cart": []}


app = FastAPI(lifespan=lifespan)
app.include_router(orders)


@app.post("/login", response_class=PlainTextResponse)
async def login(response: Response):
    """Let anybody in."""
    response.set_cookie("user", "7")
    return "ok"


@app.get("/hang/{order}")
def hangs(order: int):
    """Never answer."""
    hang(order)


@app.post("/uploads/{name}", response_class=PlainTextResponse)
async def upload(name: str, request: Request):
    """Take a large body as it comes."""
    counted = Counted()
    async for chunk in request.stream():
        counted.add(chunk)
    return str(counted)


@app.get("/fails/{name}")
async def fails(name: str):
    """Say too much in an error."""
    raise ValueError(f"Authorization: Bearer {SECRET}")


@app.get("/healthz")
@app.get("/reset/{token}")
async def ok():
    """Say that all is well."""
    return "ok"
