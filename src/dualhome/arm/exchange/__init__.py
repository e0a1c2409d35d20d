"""Both ways between topologies and Azure's own forms: `resources` (a topology as ARM resources), `writing` (template, script, topology file), `reading` (imports)."""
