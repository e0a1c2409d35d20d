"""ARM templates: read, evaluated, unrolled, and done to resources in the order that they need.

A request's body comes in (`reading.read`), its template's parts (`template`), values of parameters (`parameters`), resources (`expand`) with what only the
running deployment can tell left open (`evaluate.Later`), which `run.Run` then makes one after the other, or at once, through a `target.Target`.
`deployments.Deployments` has them all: begin there. Expressions are parsed in `syntax`, their functions are in `functions`.
"""

from __future__ import annotations

from dualhome.arm.templates.deployment import Deployment
from dualhome.arm.templates.deployments import Deployments
from dualhome.arm.templates.links import Links
from dualhome.arm.templates.reading import read
from dualhome.arm.templates.target import Target

__all__ = ["Deployment", "Deployments", "Links", "Target", "read"]
