//! The kinds of objects that are looked at, and where the API has them.

use serde::{Deserialize, Serialize};

/// A kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// What traffic goes through.
    Service,
    /// What keeps pods running.
    Deployment,
    /// The pods of one revision of a Deployment.
    ReplicaSet,
    /// A pod.
    Pod,
    /// Where the traffic of a Service goes.
    EndpointSlice,
    /// What changes the number of replicas by load.
    Autoscaler,
}

impl Resource {
    /// The group and the resource's name, as permissions have them.
    pub fn group_and_name(self) -> (&'static str, &'static str) {
        match self {
            Resource::Service => ("", "services"),
            Resource::Pod => ("", "pods"),
            Resource::Deployment => ("apps", "deployments"),
            Resource::ReplicaSet => ("apps", "replicasets"),
            Resource::EndpointSlice => ("discovery.k8s.io", "endpointslices"),
            Resource::Autoscaler => ("autoscaling", "horizontalpodautoscalers"),
        }
    }

    /// Where its objects are.
    pub fn path(self, namespace: &str) -> String {
        let (group, name) = self.group_and_name();
        let version = match self {
            Resource::Autoscaler => "v2",
            _ => "v1",
        };
        match group {
            "" => format!("/api/{version}/namespaces/{namespace}/{name}"),
            group => format!("/apis/{group}/{version}/namespaces/{namespace}/{name}"),
        }
    }

    /// As it stands before a name.
    pub fn shown(self) -> &'static str {
        match self {
            Resource::Service => "service",
            Resource::Deployment => "deployment",
            Resource::ReplicaSet => "replicaset",
            Resource::Pod => "pod",
            Resource::EndpointSlice => "endpointslice",
            Resource::Autoscaler => "horizontalpodautoscaler",
        }
    }
}
