"""Which attributes are what: written by the library itself, identifiers, or URLs."""

from __future__ import annotations

from typing import Final

from ezlogs.privacy.expressions import listed

#: Written by ezlogs or the OpenTelemetry SDK from closed vocabularies, or configuration of the service:
#: neither their names nor their values are looked at. ``ezlogs.session.id`` and ``http.route``
#: (``/reset/{token}``) would otherwise be taken for secrets.
STRUCTURAL: Final = listed(
    """
    ezlogs.event.id ezlogs.action ezlogs.outcome ezlogs.duration ezlogs.severity ezlogs.schema.version
    ezlogs.sequence ezlogs.actor.type ezlogs.subject.type ezlogs.on_behalf_of.type ezlogs.correlation.id
    ezlogs.linked_correlation.id ezlogs.flow.type ezlogs.parent_flow.type ezlogs.parent_event.id ezlogs.attempt
    ezlogs.carrier ezlogs.json_keys ezlogs.redacted ezlogs.interrupted trace_id span_id trace.id span.id
    http.route http.request.method http.method http.status_code http.response.status_code
    http.request.body.size http.response.body.size http.flavor http.scheme url.scheme
    network.protocol.name network.protocol.version network.transport network.type code.function
    code.function.name code.filepath code.file.path code.lineno code.line.number code.namespace
    code.column.number thread.id thread.name process.pid service.name service.namespace service.version
    service.instance.id telemetry.sdk.name telemetry.sdk.language telemetry.sdk.version
    telemetry.distro.name telemetry.distro.version otel.scope.name otel.scope.version otel.status_code
    db.system db.system.name db.operation db.operation.name messaging.system messaging.operation
    messaging.operation.name messaging.operation.type messaging.message.id messaging.batch.message_count
    rpc.system graphql.operation.type exception.type exception.escaped error.type
    """
)

#: Identifiers that come from the application: their names are trusted, their values are scanned, since an
#: e-mail address or a card number is sometimes somebody's id.
IDENTIFIERS: Final = listed(
    """
    ezlogs.actor.id ezlogs.subject.id ezlogs.on_behalf_of.id ezlogs.session.id ezlogs.request.id
    ezlogs.flow.id ezlogs.parent_flow.id ezlogs.transaction.id ezlogs.job.id
    session.id session.previous_id user.id enduser.id
    """
)

#: Computers of the service's own and those that it calls, whose addresses are nobody's.
HOSTS: Final = listed(
    """
    server.address server.socket.address host.ip net.host.ip net.host.name network.local.address net.sock.host.addr
    db.connection_string.host k8s.pod.ip container.ip
    """
)

#: URLs and parts of them: parameters such as ``code`` and ``sig`` are denied in them too.
URLS: Final = listed(
    """
    url.full url.query url.fragment url.path url.original http.url http.target http.request.header.referer
    http.response.header.location
    """
)
