// Graphs: a recorded list of work, replayed as one piece of work of a stream.
#include "core/cuda/emulator/runtime.h"

using namespace tilegrad::emulator;

namespace {
std::shared_ptr<Graph>& graph_of(void* handle) {
  return *static_cast<std::shared_ptr<Graph>*>(handle);
}
}  // namespace

extern "C" {

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* out, cudaGraph_t graph, unsigned long long) {
  if (!graph) return report(cudaErrorInvalidValue);
  *out = reinterpret_cast<cudaGraphExec_t>(
      new std::shared_ptr<Graph>(std::make_shared<Graph>(*graph_of(graph))));
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t handle, cudaStream_t stream) {
  if (!handle) return report(cudaErrorInvalidValue);
  auto graph =
      graph_of(handle);  // kept alive by the work, should the handle be destroyed meanwhile
  return push(stream, [graph] {
    for (const Work& node : graph->nodes) node();
  });
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, size_t* count) {
  if (!graph || nodes) return report(cudaErrorInvalidValue);  // only the number is emulated
  *count = graph_of(graph)->nodes.size();
  return cudaSuccess;
}

cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) { return cudaSuccess; }

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  if (!graph) return report(cudaErrorInvalidValue);
  delete &graph_of(graph);
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t handle) {
  if (!handle) return report(cudaErrorInvalidValue);
  delete &graph_of(handle);
  return cudaSuccess;
}

}  // extern "C"
