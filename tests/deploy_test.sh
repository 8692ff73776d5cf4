#!/usr/bin/env bash
# Checks the files under deploy/: the systemd unit with systemd-analyze, both nginx sites with `nginx -t`.
# A tool that is not installed is reported as `skipped: ...`; any finding makes the exit status 1.
# Changes nothing outside a temporary folder and needs no root.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
unit="$root/deploy/crm-sales-bot.service"
sites="$root/deploy/nginx"
max_exposure=20 # tenths: `systemd-analyze security` must not exceed 2.0

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
PATH="$PATH:/usr/sbin:/sbin"
failures=0

pass() { printf 'ok: %s\n' "$1"; }
skip() { printf 'skipped: %s\n' "$1"; }
fail() {
    printf 'FAILED: %s\n' "$1" >&2
    failures=$((failures + 1))
}

# The installed binary and the optional env file need not exist here, so `verify` sees a copy of the
# unit whose program is `true`; everything else is the file as shipped.
check_unit() {
    if ! command -v systemd-analyze >/dev/null; then
        skip "systemd-analyze is not installed"
        return
    fi

    local copy="$work/crm-sales-bot.service" output
    sed "s|^ExecStart=/usr/local/bin/salesbot |ExecStart=$(type -P true) |" "$unit" >"$copy"

    if ! output="$(systemd-analyze verify --man=no "$copy" 2>&1)" ||
        grep -q 'crm-sales-bot\.service' <<<"$output"; then
        fail "systemd-analyze verify"
        printf '%s\n' "$output" >&2
    else
        pass "systemd-analyze verify"
    fi

    if ! systemd-analyze security --help 2>/dev/null | grep -q -- '--offline'; then
        skip "this systemd-analyze has no offline security check"
    elif output="$(systemd-analyze security --offline=true --threshold="$max_exposure" --no-pager "$copy" 2>&1)"; then
        pass "systemd-analyze security: $(grep -o 'Overall.*[0-9] [A-Z]*' <<<"$output")"
    else
        fail "systemd-analyze security: exposure is over the limit of $max_exposure tenths"
        printf '%s\n' "$output" >&2
    fi
}

# nginx_test NAME SITE...: `nginx -t` on a bare configuration that includes the sites. Certificate paths
# point at a self-signed one; ports 80 and 443 move up when the caller may not bind them.
nginx_test() {
    local name="$1" site output
    shift
    local dir="$work/$name"
    mkdir -p "$dir/sites" "$dir/tmp"
    for site in "$@"; do
        sed "s|/etc/letsencrypt/live/bot\.example\.com|$work/certificate|" "$sites/$site" >"$dir/sites/$site"
        if [ "$(id -u)" -ne 0 ]; then
            sed -i -E 's/^( *listen )(80|443)\b/\110\2/' "$dir/sites/$site"
        fi
    done
    cat >"$dir/nginx.conf" <<CONF
pid $dir/nginx.pid;
events {}
http {
    access_log off;
    client_body_temp_path $dir/tmp/body;
    proxy_temp_path $dir/tmp/proxy;
    fastcgi_temp_path $dir/tmp/fastcgi;
    uwsgi_temp_path $dir/tmp/uwsgi;
    scgi_temp_path $dir/tmp/scgi;
    include $dir/sites/*.conf;
}
CONF
    # The http2 parameter of `listen` is what nginx before 1.25 understands; later ones only remark on it.
    if output="$(nginx -t -e "$dir/error.log" -c "$dir/nginx.conf" 2>&1)" &&
        ! grep -E '\[(warn|emerg|alert|error)\]' <<<"$output" | grep -qv 'http2" directive is deprecated'; then
        pass "nginx -t: $name"
    else
        fail "nginx -t: $name"
        printf '%s\n' "$output" >&2
    fi
}

check_sites() {
    if ! command -v nginx >/dev/null; then
        skip "nginx is not installed"
        return
    fi
    nginx_test stage-1 site-http.conf

    if ! command -v openssl >/dev/null; then
        skip "nginx stage 2: openssl is not installed, no test certificate"
        return
    fi
    mkdir -p "$work/certificate"
    openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=bot.example.com \
        -keyout "$work/certificate/privkey.pem" -out "$work/certificate/fullchain.pem" 2>/dev/null
    nginx_test stage-2 site-http.conf site-tls.conf
}

check_unit
check_sites
[ "$failures" -eq 0 ]
