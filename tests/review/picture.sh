#!/usr/bin/env bash
# The picture of the review page that the README shows: the audit of the demo, as headless Chromium draws it.
#
#   tests/review/picture.sh PROGRAM CHROMIUM FOLDER PICTURE
set -euo pipefail
program=$1 chromium=$2 folder=$3 picture=$4
port=14999

"$program" demo --data "$folder/data" --port "$port" --no-open > "$folder/demo.txt" &
server=$!
trap 'kill "$server"; wait "$server" || true' EXIT
until curl --silent --fail --output "$folder/home.html" "localhost:$port/review"; do
    kill -0 "$server" # it says itself why it ended
    sleep 0.2
done
result=$(grep --only-matching --max-count=1 '/review/result/[0-9A-Za-z-]*' "$folder/home.html" | head -n 1)
"$chromium" --headless=new --no-sandbox --disable-gpu --hide-scrollbars --window-size=1280,900 \
    --virtual-time-budget=10000 --screenshot="$picture" "http://localhost:$port$result/audit" 2> "$folder/chromium.txt"
