"""What only a client meets; what a server says is raised as the classes of `loupette.errors`.

LoupetteError
└── ClientError
    ├── NoReply        nothing came back, or a proxy said that the server is away
    └── BadReply       what came back is not from a Loupette server
"""

from loupette.errors import LoupetteError


class ClientError(LoupetteError):
    """Between client and server; the server itself reported nothing."""

    reason = "client_error"
    zh = "客户端错误"


class NoReply(ClientError):
    """The server could not be reached, or its answer was lost, at every attempt.

    Attributes:
        idempotency_key: of the request. The same call with this key is charged once, whether or
            not the lost one was.
    """

    reason = "no_reply"
    zh = "服务器无响应"

    def __init__(self, message: str, *, idempotency_key: str | None = None) -> None:
        super().__init__(message)
        self.idempotency_key = idempotency_key


class BadReply(ClientError):
    """The reply is not one that a Loupette server sends: look at the URL."""

    reason = "bad_reply"
    zh = "响应格式错误"
