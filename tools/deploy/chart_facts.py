"""What the chart promises, whatever its values."""

import re

import environment

SHORTEST_PREFIX = "stoa"


def look(found, variant, values, manifests):
    """Looks at one rendering; `values` are those in force."""

    def expect(holds, words):
        return found.expect(holds, f"{variant}: {words}")

    services = {name: {**values["serviceDefaults"], **given} for name, given in values["services"].items() if given is not None}
    deployments = kind(manifests, "Deployment")
    names = {f"{SHORTEST_PREFIX}-{name.replace('_', '-')}": name for name in services}
    expect(set(deployments) == set(names), f"the Deployments are {sorted(deployments)}, the services {sorted(names)}")

    for name, deployment in deployments.items():
        pod(expect, values, name, deployment["spec"]["template"])
        serving(expect, values, names[name], services[names[name]], deployment["spec"]["template"]["spec"])
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        expect(deployment["spec"]["selector"]["matchLabels"].items() <= labels.items(), f"{name} does not select its pods")
        expect("replicas" in deployment["spec"] or values["autoscaling"]["enabled"], f"{name} has no number of replicas")
    for name, job in kind(manifests, "Job").items():
        pod(expect, values, name, job["spec"]["template"])
    for name, test in kind(manifests, "Pod").items():
        pod(expect, values, name, test)

    budgets(expect, values, deployments, kind(manifests, "PodDisruptionBudget"))
    scalers(expect, values, deployments, kind(manifests, "HorizontalPodAutoscaler"))
    selectors(expect, deployments, manifests)
    network(expect, values, names, services, kind(manifests, "NetworkPolicy"))
    references(expect, values, manifests)
    for manifest in manifests:
        labels = manifest["metadata"].get("labels", {})
        expect(labels.get("app.kubernetes.io/instance") == "stoa", f"{manifest['metadata']['name']} is not labelled")


def kind(manifests, wanted):
    return {m["metadata"]["name"]: m for m in manifests if m["kind"] == wanted}


def pod(expect, values, name, template):
    """Non-root, read-only, no rights, no variables from Kubernetes, limits."""
    spec = template["spec"]
    security = spec["securityContext"]
    expect(security["runAsNonRoot"] is True and security["runAsUser"] > 0, f"{name} may be root")
    expect(security["seccompProfile"]["type"] == "RuntimeDefault", f"{name} has no seccomp profile")
    expect(spec["enableServiceLinks"] is False, f"{name} is given variables by Kubernetes")
    expect(spec["automountServiceAccountToken"] is False, f"{name} is given a token of Kubernetes")
    for container in spec["containers"]:
        rights = container["securityContext"]
        expect(rights["runAsNonRoot"] is True, f"{name} may be root")
        expect(rights["readOnlyRootFilesystem"] is True, f"{name} may write anywhere")
        expect(rights["allowPrivilegeEscalation"] is False, f"{name} may gain rights")
        expect(rights["capabilities"] == {"drop": ["ALL"]}, f"{name} has capabilities")
        resources = container["resources"]
        expect("memory" in resources["limits"] and "cpu" in resources["requests"], f"{name} has no bounds")
        expect(not container["image"].endswith(":latest"), f"{name} runs no version in particular")
        environment.look(expect, name, [one["name"] for one in container.get("env", [])])
    mounted = {mount["name"] for container in spec["containers"] for mount in container.get("volumeMounts", [])}
    expect(mounted == {volume["name"] for volume in spec.get("volumes", [])}, f"{name} mounts what it does not have")


def serving(expect, values, name, service, spec):
    """Probes, arguments, a stop that is long enough, and its own database's URL alone."""
    (container,) = spec["containers"]
    for probe, path in [("startupProbe", "live"), ("livenessProbe", "live"), ("readinessProbe", "ready")]:
        found = container.get(probe, {}).get("httpGet", {})
        expect(found == {"path": f"/health/{path}", "port": "http"}, f"{name} has no {probe}")
    expect(container["args"] == ["serve", "--only", name], f"{name} serves {container['args']}")
    pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    needed = pause + values["shutdownGraceSeconds"]
    expect(pause > 0 and spec["terminationGracePeriodSeconds"] > needed, f"{name} is killed before its grace is over")
    databases = [one["name"] for one in container["env"] if one["name"].endswith("DATABASE__URL")]
    own = [f"STOA_{name.upper()}__DATABASE__URL"] if service["database"] else []
    expect(databases == own, f"{name} is given {databases}")
    spread = {one["topologyKey"] for one in spec.get("topologySpreadConstraints", [])}
    expect(bool(spread) == values["topologySpread"]["enabled"], f"{name} spreads over {spread}")
    sealing = "STOA_AUTH__SECRET" in {one["name"] for one in container["env"]}
    seals = "STOA_AUTH__SECRET" in values["services"][name].get("secrets", [])
    expect(sealing == seals, f"{name} and the secret that seals")
    mails = "STOA_MAIL__URL" in {one["name"] for one in container["env"]}
    expect(mails == ("STOA_MAIL__URL" in service["optionalSecrets"]), f"{name} and the mail server's URL")
    expect(mails == (name == "notifications"), f"{name} sends mails, or has no server to do it by")
    expect(seals == (name in ("auth", "notifications", "storage", "webhooks")), f"{name} seals secrets, or has none to do it with")


def budgets(expect, values, deployments, found):
    wanted = set(deployments) if values["podDisruptionBudget"]["enabled"] else set()
    expect(set(found) == wanted, f"there are disruption budgets for {sorted(found)}")
    for name, budget in found.items():
        selector = deployments[name]["spec"]["selector"] if name in deployments else None
        expect(budget["spec"]["selector"] == selector, f"the budget of {name} is for other pods")


def scalers(expect, values, deployments, found):
    wanted = set(deployments) if values["autoscaling"]["enabled"] else set()
    expect(set(found) == wanted, f"there are autoscalers for {sorted(found)}")
    bounds = {"stoa-auth": (3, 10), "stoa-users": (4, 12)}
    for name, scaler in found.items():
        spec = scaler["spec"]
        replicas = (spec["minReplicas"], spec["maxReplicas"])
        expect(replicas == bounds.get(name, replicas) and 2 <= replicas[0], f"{name} has {replicas} replicas")
        expect(spec["scaleTargetRef"]["name"] == name, f"{name} scales another")
        cpu = [m["resource"]["target"]["averageUtilization"] for m in spec["metrics"] if m["type"] == "Resource"]
        expect(cpu == [70], f"{name} scales at {cpu} % CPU")
        pods = {m["pods"]["metric"]["name"]: m["pods"]["target"]["averageValue"] for m in spec["metrics"] if m["type"] == "Pods"}
        rate = {"stoa_http_requests_per_second": "1000"} if name == "stoa-auth" else {}
        expect(pods == rate, f"{name} scales at {pods}")


def selectors(expect, deployments, manifests):
    """Every Service reaches the pods of exactly one Deployment, at a port that they have."""
    for name, service in kind(manifests, "Service").items():
        selected = [
            d
            for d in deployments.values()
            if service["spec"]["selector"].items() <= d["spec"]["template"]["metadata"]["labels"].items()
        ]
        if not expect(len(selected) == 1, f"the Service {name} reaches {len(selected)} Deployments"):
            continue
        ports = {port["name"] for port in selected[0]["spec"]["template"]["spec"]["containers"][0]["ports"]}
        for port in service["spec"]["ports"]:
            expect(port["targetPort"] in ports, f"the Service {name} leads to a port that is not there")
        headless = service["spec"].get("clusterIP") == "None"
        expect(headless == name.endswith("-pods"), f"{name} has an address, or none, and should not")


def network(expect, values, names, services, found):
    if not values["networkPolicy"]["enabled"]:
        expect(not found, "there are network policies")
        return
    expect(set(names) <= set(found), f"there are network policies for {sorted(found)}")
    everybody = values["networkPolicy"]["edgeFrom"] == []
    for name, policy in found.items():
        expect(policy["spec"]["policyTypes"] == ["Ingress", "Egress"], f"the policy of {name} leaves a way open")
        edge = name in names and services[names[name]]["edge"]
        for rule in policy["spec"]["ingress"]:
            ports = [port["port"] for port in rule["ports"]]
            if "from" not in rule:
                expect(edge and everybody and ports == ["http"], f"everybody may reach {ports} of {name}")
        reached = [p["port"] for rule in policy["spec"]["egress"] for p in rule["ports"]]
        mail = [engine["for"] for engine in values["networkPolicy"]["engines"] if engine["name"] == "mail"]
        allowed = [mine for mine in mail if mine in ("all", names.get(name)) or (mine == "services" and not edge)]
        expect((587 in reached) == bool(allowed), f"{name} may reach a mail server, or should")
        if edge:
            expect(5432 not in reached and 6432 not in reached, "the edge may reach the database")


def references(expect, values, manifests):
    """The ConfigMaps, Secrets and claims that pods name are there, or are said to be there already."""
    made = {(m["kind"], m["metadata"]["name"]) for m in manifests}
    outside = {
        ("Secret", values["secrets"]["existingSecret"]),
        ("Secret", values["rpc"]["tlsSecret"]),
    }
    for manifest in manifests:
        if manifest["kind"] not in ("Deployment", "Job"):
            continue
        hook = "helm.sh/hook" in manifest["metadata"].get("annotations", {})
        spec = manifest["spec"]["template"]["spec"]
        for reference in named(spec):
            expect(reference in made | outside, f"{manifest['metadata']['name']} needs {reference}, which is nowhere")
            if hook and reference in made:
                expect(reference[1].endswith("-hooks"), f"{manifest['metadata']['name']} needs {reference} before it is there")
    hosts = {name for kind, name in made if kind == "Service"}
    for config in (m for m in manifests if m["kind"] == "ConfigMap"):
        for variable, value in config["data"].items():
            if "__UPSTREAMS__" in variable:
                host = re.search(r"//([^:]+):", value)[1]
                expect(host.endswith("-pods") and host in hosts, f"{variable} names {host}, which is no Service of pods")
        environment.look(expect, config["metadata"]["name"], config["data"])
        grace = config["data"]["STOA_SERVER__SHUTDOWN_GRACE"]
        expect(re.fullmatch(rf"{values['shutdownGraceSeconds']}s", grace), f"the grace is {grace}")


def named(spec):
    for container in spec["containers"]:
        for source in container.get("envFrom", []):
            yield ("ConfigMap", source["configMapRef"]["name"])
        for variable in container.get("env", []):
            if "valueFrom" in variable:
                yield ("Secret", variable["valueFrom"]["secretKeyRef"]["name"])
    for volume in spec.get("volumes", []):
        if "secret" in volume:
            yield ("Secret", volume["secret"]["secretName"])
