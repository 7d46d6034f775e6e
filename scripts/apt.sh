# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Sourced after lib.sh: a private apt set-up under $CACHE/apt that sees Debian suites which the machine
# does not use, from the machine's own mirror. Nothing of the machine's apt state is written; proxies and
# the like still come from /etc/apt/apt.conf.d. apt checks every signature with Debian's archive keyring.

APT=$CACHE/apt
# Every suite where a kernel source or a QEMU that we can use may be. One that a mirror lacks is skipped.
SUITES="bookworm bookworm-backports trixie trixie-backports forky forky-backports sid"

apt_configure() {
    mkdir -p "$APT"/{suites,state/lists/partial,cache/archives/partial}
    cat > "$APT/apt.conf" << EOC
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$APT/suites";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "$APT/state";
Dir::State::lists "$APT/state/lists";
Dir::State::status "/dev/null";
Dir::Cache "$APT/cache";
Dir::Cache::archives "$APT/cache/archives";
APT::Default-Release "";
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Get::List-Cleanup "false";
APT::Install-Recommends "false";
APT::Install-Suggests "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Install-Pkgs;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
EOC
}

# apt_private TOOL ARGS...: an apt tool in the private set-up (-c is read after the machine's files).
apt_private() {
    local tool=$1
    shift
    "$tool" -c "$APT/apt.conf" "$@"
}

# The machine's archives that look like Debian's main one, best first: one "URI FILE" a line. apt itself
# reads its sources, so one-line and deb822 files, and whatever apt understands later, all work.
apt_mirrors() {
    # shellcheck disable=SC2016 # the fields are apt's
    apt-get indextargets --format '$(RELEASE)|$(COMPONENT)|$(REPO_URI)|$(SOURCESENTRY)' 'Created-By: Packages' |
        awk -F '|' '
            $2 != "main" || $3 ~ /security/ { next }
            { uri = $3; sub("/*$", "", uri); file = $4; sub(":[0-9]*$", "", file) }
            $1 ~ /^(bookworm|trixie|forky|sid|oldstable|stable|testing|unstable)$/ { score[uri] += 2 }
            $1 ~ /-(updates|backports)$/ { score[uri] += 2 }
            uri ~ "/debian$" { score[uri]++ }
            { where[uri] = file }
            END { for (uri in score) print score[uri], uri, where[uri] }' |
        sort -k1,1nr -k2 | cut -d' ' -f2-
}

# Keyrings to verify with: Debian's archive keyring, and what the machine's entry names in FILE.
apt_keyrings() {
    local ring
    {
        for ring in /usr/share/keyrings/debian-archive-keyring.{gpg,pgp}; do
            if [ -r "$ring" ]; then
                echo "$ring"
                break
            fi
        done
        sed -n -e 's/^Signed-By:[[:space:]]*\(\/[^[:space:]]*\).*/\1/Ip' \
            -e 's/^deb.*[[ ]signed-by=\(\/[^], ]*\).*/\1/p' "$1" 2> /dev/null
    } | sort -u | while read -r ring; do if [ -r "$ring" ]; then echo "$ring"; fi; done | paste -sd,
}

# apt_probe: fill $APT/suites with one file for each suite that the mirror has. What was tried is told in
# $APT_TRIED. It is done once; again with UPDATE=1, and after apt_forget.
APT_TRIED=$APT/tried.txt
apt_probe() {
    "$TOP/scripts/packages.sh" apt
    # A subshell, so that the lock is held for the probe only.
    (
        lock apt
        if [ ! -s "$APT/probed" ] || [ -n "${UPDATE:-}" ]; then
            probe_mirrors
        fi
    ) || exit 1
    unset UPDATE
}

# Something was not found: the next run looks again.
apt_forget() {
    rm -f "$APT/probed"
}

probe_mirrors() {
    local mirror file rings suite found reason
    apt_configure
    rm -f "$APT"/suites/* "$APT/probed"
    : > "$APT_TRIED"
    while read -r mirror file; do
        rings=$(apt_keyrings "$file")
        if [ -z "$rings" ]; then
            echo "  $mirror: no archive keyring to check its signature with" >> "$APT_TRIED"
            continue
        fi
        found=
        for suite in $SUITES; do
            fresh_dir "$APT/one"
            echo "deb [signed-by=$rings] $mirror $suite main" > "$APT/one/$suite.list"
            if apt_private apt-get update -o Dir::Etc::sourceparts="$APT/one" > "$APT/probe-$suite.log" 2>&1; then
                mv "$APT/one/$suite.list" "$APT/suites/"
                echo "  $mirror $suite" >> "$APT_TRIED"
                found="$found $suite"
            else
                reason=$(grep -m1 '^E:' "$APT/probe-$suite.log") || reason="see $APT/probe-$suite.log"
                echo "  $mirror $suite: cannot be used: ${reason#E: }" >> "$APT_TRIED"
            fi
        done
        rm -rf "$APT/one"
        if [ -n "$found" ]; then
            say "suites of the machine's mirror:$found"
            echo "$found" > "$APT/probed"
            return
        fi
    done < <(apt_mirrors)
    die "no Debian mirror to be used in the machine's apt sources. Tried:
$(cat "$APT_TRIED")"
}

# apt_versions PACKAGE...: "package version suite", one a line, as far as the probed suites have them.
apt_versions() {
    local suite
    for suite in "$APT"/suites/*.list; do
        apt_private apt-cache -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::sourcelist="$suite" \
            madison "$@" 2> /dev/null |
            awk -v suite="$(basename "$suite" .list)" '/Packages$/ { print $1, $3, suite }'
    done
}

# apt_fetch DIR PACKAGE=VERSION: the .deb into DIR; its name is printed.
apt_fetch() {
    mkdir -p "$1"
    (cd "$1" && apt_private apt-get -qq download "$2" >&2) || return 1
    find "$1" -name "${2%%=*}_*.deb" -print -quit
}
