
# ---- addons.apt ----

headrace_apt_sources=0 # how many there were

# headrace_apt_source LINE [KEY_URL]: adds a source of packages; without an option of its own the line trusts the key.
headrace_apt_source() {
  local line=$1 key=${2:-} ring list
  headrace_apt_sources=$((headrace_apt_sources + 1))
  if [[ $line == ppa:* ]]; then
    headrace_has add-apt-repository || headrace_root apt-get install -yq --no-install-recommends software-properties-common || return
    headrace_root add-apt-repository -y "$line"
    return
  fi
  list=$headrace_tmp/source-$headrace_apt_sources.list
  if [[ -n $key ]]; then
    ring=/etc/apt/keyrings/headrace-$headrace_apt_sources.asc
    curl -fsSL --retry 2 -o "$headrace_tmp/key.asc" -- "$key" || return
    headrace_root mkdir -p /etc/apt/keyrings && headrace_root cp -- "$headrace_tmp/key.asc" "$ring" && headrace_root chmod 644 "$ring" || return
    [[ $line == *' ['* ]] || line=${line/ / [signed-by=$ring] }
  fi
  printf '%s\n' "$line" >"$list"
  headrace_root cp -- "$list" "/etc/apt/sources.list.d/headrace-$headrace_apt_sources.list" &&
    headrace_root chmod 644 "/etc/apt/sources.list.d/headrace-$headrace_apt_sources.list"
}

# headrace_apt_install PACKAGE...: those that the image lacks.
headrace_apt_install() {
  local package missing=()
  for package; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' -- "${package%%[:=/]*}" 2>/dev/null) == installed && $package != *=* ]] || missing+=("$package")
  done
  if [[ ${#missing[@]} == 0 ]]; then
    printf 'All of it is in the image.\n'
    return 0
  fi
  [[ -n ${headrace_apt_updated:-} ]] || headrace_apt_update || return
  headrace_root env DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-suggests --no-install-recommends -- "${missing[@]}"
}

headrace_apt_update() {
  headrace_root apt-get update -yq && headrace_apt_updated=1
}
