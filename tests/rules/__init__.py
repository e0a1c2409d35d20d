"""Azure's rules, group by group, as numbered in docs/azure-routing-rules.md, section 13."""
