#!/usr/bin/env bash
# The deployment guide's requests (section 10) against a real server on a free port of this machine.
# Usage: tests/guide_requests.sh PATH_TO_SALESBOT
set -euo pipefail
bin=${1:?path of the salesbot binary}
if ! command -v curl >/dev/null || ! command -v python3 >/dev/null; then
  echo "skipped: curl and python3 are needed"
  exit 0
fi
work=$(mktemp -d)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$bin" serve --listen "127.0.0.1:$port" 2>"$work/log" &
server=$!
trap 'kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
base="http://127.0.0.1:$port"
for _ in $(seq 100); do
  curl -fs "$base/ready" >/dev/null && break
  sleep 0.1
done

curl -fsS "$base/health" | tee "$work/health"
echo
grep -q '^{"status":"ok","model":"qwen3:14b"' "$work/health"

curl -fsS -X POST "$base/api/v1/process" \
  -H "Content-Type: application/json" \
  -d '{
    "message": "Привет, расскажи о вашей CRM",
    "flow_name": "spin_selling"
  }' >"$work/first.json"

python3 - "$work" <<'PY'
import json, sys
work = sys.argv[1]
first = json.load(open(f"{work}/first.json"))
print("1:", first["response"])
assert "Wipon" in first["response"] and "CRM" not in first["response"]
for key in ("response", "intent", "state", "snapshot"):
    assert key in first, key
json.dump({"message": "Сколько стоит?", "snapshot": first["snapshot"]}, open(f"{work}/second_request.json", "w"))
PY

curl -fsS -X POST "$base/api/v1/process" -H "Content-Type: application/json" -d @"$work/second_request.json" >"$work/second.json"

python3 - "$work" <<'PY'
import json, sys
work = sys.argv[1]
first, second = (json.load(open(f"{work}/{name}.json")) for name in ("first", "second"))
print("2:", second["response"])
assert not second["response"].startswith(("Здравствуйте", "Приветствую"))
assert "₸" in second["response"] and second["sources"]
assert second["snapshot"]["revision"] == first["snapshot"]["revision"] + 1
PY

status=$(curl -s -o "$work/problem.json" -w '%{http_code}' -X POST "$base/api/v1/process" -H "Content-Type: application/json" -d '{"message": ')
[ "$status" = 400 ]
grep -q '"code":"INVALID_JSON"' "$work/problem.json"

kill -TERM "$server"
wait "$server"
if grep -q "CRM" "$work/log"; then
  echo "the log holds a client's text"
  exit 1
fi
echo "guide requests: ok"
