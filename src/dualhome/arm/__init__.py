"""Azure Resource Manager's REST API over the model: resources as az, the SDKs and templates write them, with a running network behind.

Begin at `service.Service`, which does what a request asks of resources and knows nothing of HTTP; `kinds` has one class a resource type, `http` the
requests, `templates` deployments, `world` the way from resources to a topology, `backend` the network that runs, `identity` who may ask.
"""
