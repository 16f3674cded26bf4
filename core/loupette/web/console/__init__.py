"""The console at /console: pages for whoever signs in with a key; no endpoint for programs."""

from starlette.routing import Route

from loupette.web.console import keys, ledger, logs, overview, signing, trying, types
from loupette.web.console.visits import action, page

ROUTES = [
    Route("/console/login", signing.show_form, methods=["GET"]),
    Route("/console/login", signing.sign_in, methods=["POST"]),
    Route("/console/logout", action(signing.sign_out), methods=["POST"]),
    Route("/console", page(overview.show), methods=["GET"]),
    Route("/console/keys", page(keys.show), methods=["GET"]),
    Route("/console/keys", action(keys.change, scope="admin"), methods=["POST"]),
    Route("/console/logs", page(logs.show), methods=["GET"]),
    Route("/console/logs/{log_id}", page(logs.show_one), methods=["GET"]),
    Route("/console/logs/{log_id}", action(logs.read_again, scope="admin"), methods=["POST"]),
    Route("/console/types", page(types.show, scope="admin"), methods=["GET"]),
    Route("/console/types", action(types.change, scope="admin"), methods=["POST"]),
    Route("/console/try", page(trying.show), methods=["GET"]),
    Route("/console/try", action(trying.solve, takes_images=True), methods=["POST"]),
    Route("/console/ledger", page(ledger.show), methods=["GET"]),
    Route("/console/ledger", action(ledger.verify, scope="admin"), methods=["POST"]),
]
"""A page of an address shows itself to GET and takes what is done on it as POST."""
