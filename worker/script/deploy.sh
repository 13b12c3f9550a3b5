
# ---- deploy ----

declare -A headrace_deploy=() # the options of the deployment at hand
headrace_deploy_files=()

# headrace_condition TEST: what stands between [[ and ]] in bash.
headrace_condition() { eval "[[ $1 ]]"; }

# headrace_option NAME WORD: an option of the deployment; the word is bash. One that bash cannot read is left out.
headrace_option() { eval "headrace_deploy[$1]=$2"; }

# headrace_file WORD: a file to deploy, or a pattern.
headrace_file() {
  local headrace_name=
  eval "headrace_name=$1" && headrace_deploy_files+=("$headrace_name")
}

headrace_deploy_allowed() {
  headrace_say "The deployment failed with exit code $1, which allow_failure lets pass."
}

headrace_deploy_unknown() {
  printf 'Headrace does not deploy with %s by itself. Call its tool with "provider: script".\n' "$1"
  return 1
}

# headrace_deploy_tool COMMAND: it is in the image, or what to do.
headrace_deploy_tool() {
  headrace_has "$1" && return 0
  printf 'This deployment needs %s, which the image of this job does not have. Use an image that has it, or install it in before_deploy.\n' "$1"
  return 1
}

# headrace_deploy_need OPTION...: they are given.
headrace_deploy_need() {
  local option
  for option; do
    [[ -n ${headrace_deploy[$option]:-} ]] && continue
    printf 'The option %s of the deployment is missing.\n' "$option"
    return 1
  done
}

# headrace_deploy_expand: the files, their patterns resolved unless file_glob forbids it. Sets headrace_deploy_found.
headrace_deploy_expand() {
  local pattern file
  headrace_deploy_found=()
  for pattern in "${headrace_deploy_files[@]}"; do
    if [[ -f $pattern ]]; then
      headrace_deploy_found+=("$pattern")
    elif [[ ${headrace_deploy[file_glob]:-} == true ]] || [[ ${headrace_deploy[file_glob]:-} != false && $pattern == *[*?[]* ]]; then
      while IFS= read -r file; do
        [[ ! -f $file ]] || headrace_deploy_found+=("$file")
      done < <(shopt -s globstar && compgen -G "$pattern" | LC_ALL=C sort)
    else
      printf 'There is no file %s.\n' "$pattern"
      return 1
    fi
  done
}

# headrace_json TEXT: as a string of JSON.
headrace_json() {
  local s=$1
  s=${s//\\/\\\\} s=${s//\"/\\\"} s=${s//$'\n'/\\n} s=${s//$'\r'/\\r} s=${s//$'\t'/\\t}
  printf '"%s"' "$s"
}

# headrace_github METHOD URL [CURL_OPTION...]: prints the answer; the token is in a file.
headrace_github() {
  local method=$1 url=$2
  shift 2
  curl -sS --fail-with-body --retry 2 --max-time 600 -X "$method" -H "@$headrace_tmp/github" -H 'Accept: application/vnd.github+json' "$@" -- "$url"
}

headrace_deploy_releases() {
  headrace_deploy[token]=${headrace_deploy[token]:-${GITHUB_TOKEN:-}}
  headrace_deploy[tag_name]=${headrace_deploy[tag_name]:-$TRAVIS_TAG}
  headrace_deploy_need token tag_name && headrace_deploy_tool curl && headrace_deploy_expand || return
  local api=${GITHUB_API_URL:-https://api.github.com} repo=${headrace_deploy[repo]:-$TRAVIS_REPO_SLUG} answer id upload file name body
  (umask 077 && printf 'Authorization: Bearer %s\n' "${headrace_deploy[token]}" >"$headrace_tmp/github")
  [[ -z ${headrace_deploy[release_notes_file]:-} ]] || headrace_deploy[release_notes]=$(<"${headrace_deploy[release_notes_file]}")
  if ! answer=$(headrace_github GET "$api/repos/$repo/releases/tags/${headrace_deploy[tag_name]}" 2>/dev/null); then
    body="{\"tag_name\":$(headrace_json "${headrace_deploy[tag_name]}"),\"name\":$(headrace_json "${headrace_deploy[name]:-${headrace_deploy[tag_name]}}")"
    body+=",\"body\":$(headrace_json "${headrace_deploy[release_notes]:-}"),\"draft\":${headrace_deploy[draft]:-false},\"prerelease\":${headrace_deploy[prerelease]:-false}"
    [[ -z ${headrace_deploy[target_commitish]:-} ]] || body+=",\"target_commitish\":$(headrace_json "${headrace_deploy[target_commitish]}")"
    answer=$(headrace_github POST "$api/repos/$repo/releases" -H 'Content-Type: application/json' --data "$body}") || { printf '%s\n' "$answer"; return 1; }
  fi
  [[ $answer =~ \"id\":\ *([0-9]+) ]] && id=${BASH_REMATCH[1]}
  [[ $answer =~ \"upload_url\":\ *\"([^\"{]+) ]] && upload=${BASH_REMATCH[1]}
  if [[ -z ${id:-} || -z ${upload:-} ]]; then
    printf 'The answer of %s cannot be understood: %s\n' "$api" "$answer"
    return 1
  fi
  for file in "${headrace_deploy_found[@]}"; do
    name=${file##*/}
    printf 'Uploading %s\n' "$name"
    if [[ ${headrace_deploy[overwrite]:-} == true ]]; then
      answer=$(headrace_github GET "$api/repos/$repo/releases/$id/assets?per_page=100") || return
      headrace_github_asset "$name" "$answer" && headrace_github DELETE "$api/repos/$repo/releases/assets/$headrace_asset" >/dev/null
    fi
    headrace_github POST "$upload?name=${name// /%20}" -H 'Content-Type: application/octet-stream' --data-binary "@$file" >/dev/null || return
  done
}

# headrace_github_asset NAME ASSETS: sets headrace_asset to the id of the asset of that name.
headrace_github_asset() {
  local entry
  headrace_asset=
  while IFS= read -r entry; do
    [[ $entry =~ /releases/assets/([0-9]+)\" ]] && headrace_asset=${BASH_REMATCH[1]}
    [[ $entry =~ \"name\":\ *\"([^\"]*)\" && ${BASH_REMATCH[1]} == "$1" && -n $headrace_asset ]] && return 0
  done < <(tr ',' '\n' <<<"$2")
  headrace_asset=
  return 1
}

headrace_deploy_s3() {
  headrace_deploy_need bucket && headrace_deploy_tool aws || return
  local AWS_ACCESS_KEY_ID=${headrace_deploy[access_key_id]:-${AWS_ACCESS_KEY_ID:-}} AWS_SECRET_ACCESS_KEY=${headrace_deploy[secret_access_key]:-${AWS_SECRET_ACCESS_KEY:-}}
  local AWS_DEFAULT_REGION=${headrace_deploy[region]:-${AWS_DEFAULT_REGION:-us-east-1}} options=() target=s3://${headrace_deploy[bucket]}
  export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_DEFAULT_REGION
  [[ -z ${headrace_deploy[upload_dir]:-} ]] || target+=/${headrace_deploy[upload_dir]#/}
  [[ -z ${headrace_deploy[endpoint]:-} ]] || options+=(--endpoint-url "${headrace_deploy[endpoint]}")
  [[ -z ${headrace_deploy[acl]:-} ]] || options+=(--acl "${headrace_deploy[acl]//_/-}")
  [[ -z ${headrace_deploy[cache_control]:-} ]] || options+=(--cache-control "${headrace_deploy[cache_control]}")
  [[ -z ${headrace_deploy[storage_class]:-} ]] || options+=(--storage-class "${headrace_deploy[storage_class]}")
  [[ ${headrace_deploy[server_side_encryption]:-} != true ]] || options+=(--sse)
  aws s3 cp --recursive "${options[@]}" "${headrace_deploy[local_dir]:-.}" "$target"
}

# headrace_git_host URL: the host of an https address.
headrace_git_host() {
  local rest=${1#*://}
  rest=${rest%%/*}
  printf '%s' "${rest##*@}"
}

# headrace_git ARGUMENT...: as a user of its own, who has the token and is asked nothing.
headrace_git() { HOME=$headrace_git_home git "$@"; }

# headrace_git_user HOST USER PASSWORD NAME EMAIL: makes that user.
headrace_git_user() {
  headrace_git_home=$(mktemp -d "$headrace_tmp/git.XXXXXX") || return
  (umask 077 && printf 'machine %s login %s password %s\n' "$1" "$2" "$3" >"$headrace_git_home/.netrc") &&
    headrace_git config --global user.name "$4" && headrace_git config --global user.email "$5"
}

# headrace_deploy_git URL BRANCH DIRECTORY MESSAGE: a commit of the directory, pushed; with history only when asked for.
headrace_deploy_git() {
  local url=$1 branch=$2 from=$3 message=$4 work
  [[ -d $from ]] || { printf 'There is no directory %s.\n' "$from"; return 1; }
  headrace_git_user "$(headrace_git_host "$url")" x-access-token "${headrace_deploy[token]:-}" "${headrace_deploy[name]:-Headrace}" "${headrace_deploy[email]:-deploy@headrace.invalid}" &&
    work=$(mktemp -d "$headrace_tmp/push.XXXXXX") || return
  if [[ ${headrace_deploy[keep_history]:-} != true ]] || ! headrace_git clone -q --depth=1 --branch="$branch" -- "$url" "$work" 2>/dev/null; then
    rm -rf -- "$work" && headrace_git init -q "$work" && headrace_git -C "$work" checkout -q --orphan "$branch" || return
  fi
  find "$work" -mindepth 1 -maxdepth 1 ! -name .git -exec rm -rf -- {} + &&
    find "$from" -mindepth 1 -maxdepth 1 ! -name .git -exec cp -R -- {} "$work" \; || return
  [[ -z ${headrace_deploy[fqdn]:-} ]] || printf '%s\n' "${headrace_deploy[fqdn]}" >"$work/CNAME"
  headrace_git -C "$work" add -A . || return
  if headrace_git -C "$work" diff --cached --quiet && [[ ${headrace_deploy[allow_empty_commit]:-} != true ]]; then
    printf 'Nothing has changed.\n'
    return 0
  fi
  headrace_git -C "$work" commit -q --allow-empty -m "$message" && headrace_git -C "$work" push -q --force -- "$url" "HEAD:refs/heads/$branch"
}

headrace_deploy_pages() {
  headrace_deploy[token]=${headrace_deploy[token]:-${GITHUB_TOKEN:-}}
  headrace_deploy_need token || return
  local host=${headrace_deploy[url]:-github.com} repo=${headrace_deploy[repo]:-$TRAVIS_REPO_SLUG}
  [[ $host == *://* ]] || host=https://$host
  headrace_deploy_git "$host/$repo.git" "${headrace_deploy[target_branch]:-gh-pages}" "${headrace_deploy[local_dir]:-.}" \
    "${headrace_deploy[commit_message]:-Deploy $repo to ${headrace_deploy[target_branch]:-gh-pages}}"
}

headrace_deploy_git_push() {
  headrace_deploy[token]=${headrace_deploy[token]:-${GITHUB_TOKEN:-}}
  headrace_deploy_need token branch || return
  local repo=${headrace_deploy[repo]:-$TRAVIS_REPO_SLUG}
  [[ $repo == *://* ]] || repo=https://github.com/$repo.git
  headrace_deploy_git "$repo" "${headrace_deploy[branch]}" "${headrace_deploy[local_dir]:-.}" "${headrace_deploy[commit_message]:-Deploy $TRAVIS_COMMIT}"
}

headrace_deploy_heroku() {
  headrace_deploy[api_key]=${headrace_deploy[api_key]:-${HEROKU_API_KEY:-}}
  headrace_deploy_need api_key || return
  local url=${headrace_deploy[git]:-https://git.heroku.com/${headrace_deploy[app]:-${TRAVIS_REPO_SLUG##*/}}.git}
  headrace_git_user "$(headrace_git_host "$url")" heroku "${headrace_deploy[api_key]}" Headrace deploy@headrace.invalid || return
  if [[ $(git rev-parse --is-shallow-repository) == true ]]; then git fetch -q --unshallow || return; fi
  headrace_git push --force -- "$url" HEAD:refs/heads/main
}

headrace_deploy_npm() {
  headrace_deploy[api_token]=${headrace_deploy[api_token]:-${NPM_API_TOKEN:-${NPM_API_KEY:-}}}
  headrace_deploy_need api_token && headrace_deploy_tool npm || return
  local registry=${headrace_deploy[registry]:-https://registry.npmjs.org/} options=()
  [[ $registry == */ ]] || registry+=/
  printf '//%s:_authToken=%s\nregistry=%s\n' "${registry#*://}" "${headrace_deploy[api_token]}" "$registry" >"$headrace_tmp/npmrc"
  [[ -z ${headrace_deploy[access]:-} ]] || options+=("--access=${headrace_deploy[access]}")
  [[ -z ${headrace_deploy[tag]:-} ]] || options+=("--tag=${headrace_deploy[tag]}")
  NPM_CONFIG_USERCONFIG=$headrace_tmp/npmrc npm publish "${options[@]}" -- "${headrace_deploy[src]:-.}"
}

headrace_deploy_pypi() {
  local TWINE_USERNAME=${headrace_deploy[username]:-__token__} TWINE_PASSWORD=${headrace_deploy[password]:-${PYPI_PASSWORD:-}} TWINE_NON_INTERACTIVE=1 python=python3 options=() kinds
  export TWINE_USERNAME TWINE_PASSWORD TWINE_NON_INTERACTIVE
  headrace_deploy[password]=$TWINE_PASSWORD
  headrace_deploy_need password || return
  headrace_has "$python" || python=python
  headrace_deploy_tool "$python" || return
  headrace_has twine || "$python" -m pip install -q twine setuptools wheel || return
  read -r -a kinds <<<"${headrace_deploy[distributions]:-sdist}"
  if [[ -f setup.py ]]; then "$python" setup.py -q "${kinds[@]}" || return; fi
  [[ -z ${headrace_deploy[server]:-} ]] || options+=(--repository-url "${headrace_deploy[server]}")
  [[ ${headrace_deploy[skip_existing]:-} != true ]] || options+=(--skip-existing)
  "$python" -m twine upload "${options[@]}" -- dist/*
}

headrace_deploy_rubygems() {
  headrace_deploy[api_key]=${headrace_deploy[api_key]:-${RUBYGEMS_API_KEY:-}}
  headrace_deploy_need api_key && headrace_deploy_tool gem || return
  local spec gem
  for spec in ${headrace_deploy[gemspec]:-*.gemspec}; do
    gem build -q -o "$headrace_tmp/deploy.gem" "$spec" || return
    GEM_HOST_API_KEY=${headrace_deploy[api_key]} gem push "$headrace_tmp/deploy.gem" ${headrace_deploy[host]:+--host "${headrace_deploy[host]}"} || return
  done
}
