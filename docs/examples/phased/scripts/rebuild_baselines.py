"""Baselines from the recorded flows: observe, predict, apply and undo of the recipe rebuild-baselines."""
import json
import os
import sys

request = json.load(sys.stdin)
path = os.path.join(request["root"], request["with"]["baselines"])
flows = os.path.join(request["root"], "outputs/flows.json")


def there():
    if not os.path.exists(path):
        return {"text": "", "exists": False}
    with open(path) as file:
        return {"text": file.read(), "exists": True}


def anew():
    with open(flows) as file:
        values = json.load(file)
    return {"text": json.dumps({"mean": sum(values) / len(values), "flows": len(values)}), "exists": True}


def put(state):
    if not state["exists"]:
        os.remove(path)
        return
    with open(path + ".new", "w") as file:
        file.write(state["text"])
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".new", path)


def answer(**what):
    json.dump(what, sys.stdout)
    sys.exit(0)


now, verb = there(), request["verb"]
if verb == "observe":
    answer(state=now, shown=now["text"] or "no baselines")
if verb == "predict":
    after = anew()
    change = {"place": request["with"]["baselines"], "from": now["text"], "to": after["text"], "fidelity": "predicted"}
    answer(after=after, changes=[] if now == after else [change])
wanted, other = (request["after"], request["before"]) if verb == "apply" else (request["before"], request["after"])
if now == other:
    put(wanted)
elif now != wanted:
    print("somebody else wrote the baselines", file=sys.stderr)
    sys.exit(11)
answer(detail="written")
