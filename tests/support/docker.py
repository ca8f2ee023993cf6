#!/usr/bin/env python3
import hashlib, json, os, sys
path = os.path.join(os.path.dirname(os.path.abspath(sys.argv[0])), "state.json")
state = json.load(open(path))
words = sys.argv[1:]
if words[:2] != ["compose", "--progress=plain"]: sys.exit("unknown command")
words = words[2:]
profile = None
while words and words[0].startswith("--"):
    option, _, value = words.pop(0).partition("=")
    if option == "--profile": profile = value
    elif (option, value) not in [("--file", "compose.yaml"), ("--project-name", "trading")]: sys.exit("unknown flag: " + option)
services = {"ai_scorer": ["paper", "real"], "executor": ["paper", "real"], "risk": ["real"]}
def digest(name): return hashlib.sha256((name + os.environ.get("EXCHANGE_MODE", "")).encode()).hexdigest()
def known(names):
    for name in names:
        if name not in services or profile not in services[name]: sys.exit("no such service: " + name)
    return names
verb, rest = words[0], words[1:]
if verb == "ps" and rest == ["--all", "--no-trunc", "--format=json"]:
    for name, held in sorted(state.items()):
        labels = "com.docker.compose.project=trading,com.docker.compose.config-hash=%s,com.docker.compose.oneoff=False" % held["hash"]
        print(json.dumps({"ID": "1", "Name": "trading-%s-1" % name, "Service": name, "State": held["state"], "Labels": labels}))
elif verb == "config" and len(rest) == 1 and rest[0].startswith("--hash="):
    for name in known(rest[0][7:].split(",")): print(name, digest(name))
elif verb == "up" and rest[0] == "--detach":
    for name in known(rest[1:]): state[name] = {"state": "running", "hash": digest(name)}
elif verb == "create":
    for name in known(rest): state[name] = {"state": "created", "hash": digest(name)}
elif verb == "stop" and rest:
    for name in rest:
        if name in state: state[name]["state"] = "exited"
elif verb == "rm" and rest[:2] == ["--stop", "--force"]:
    for name in known(rest[2:]): state.pop(name, None)
else:
    sys.exit("unknown arguments: %r" % words)
json.dump(state, open(path + ".new", "w")); os.rename(path + ".new", path)
