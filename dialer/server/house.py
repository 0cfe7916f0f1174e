"""What the web may ask of the server beyond the floor itself, in one place."""

from __future__ import annotations

from dataclasses import dataclass

from dialer.server.casework import Casework
from dialer.server.charts import Charts
from dialer.server.drafting import Drafting
from dialer.server.experiments import Experiments
from dialer.server.monitoring import Monitoring
from dialer.server.recordings import Recordings
from dialer.server.supervision import Supervision
from dialer.server.tracing import Tracing
from dialer.server.transfers import Transfers


@dataclass(frozen=True, slots=True)
class House:
    supervision: Supervision
    casework: Casework
    charts: Charts
    tracing: Tracing
    experiments: Experiments
    monitoring: Monitoring
    drafting: Drafting
    transfers: Transfers
    recordings: Recordings
