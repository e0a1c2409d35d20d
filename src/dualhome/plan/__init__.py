"""Where Azure's words end and BGP's begin: a `Network` becomes speakers, sessions, policies, origins.

In: `model.Network`. Out: `Plan`. One function a rule, each with its R number. Begin at `make_plan`.
"""

from __future__ import annotations

from dualhome.plan.build import make_plan
from dualhome.plan.types import Carrier, Conditional, Plan, SessionPlan, SpeakerKind, SpeakerPlan

__all__ = ["Carrier", "Conditional", "Plan", "SessionPlan", "SpeakerKind", "SpeakerPlan", "make_plan"]
