// Batches made on a GPU match those of the host.
#include "cuda/devices.hpp"
#include "support/catch.hpp"

using namespace retrace;
using namespace retrace::test;

TEMPLATE_TEST_CASE("a GPU crops, flips and normalises like the host, bit for bit", "", float,
                   double) {
  using T = TestType;
  const ImageSet images = synthetic_images(40, 3);
  const PixelStatistics normal = pixel_statistics(images);
  const std::vector<Index> order = shuffled(images.size(), 1, 0);
  Cpu host(1);
  Cuda gpu;
  DeviceImages<T, Cuda> there(gpu, images, normal);
  for (bool crops : {false, true})
    for (std::uint32_t epoch : {0u, 5u}) {
      const Augmentation augmentation{crops, 7, epoch, epoch == 0 ? 4u : 2u};
      const auto chosen = std::span(order).subspan(3, 20);
      const auto expected = load_batch<T>(host, images, chosen, normal, augmentation);
      const auto found = there.batch(chosen, augmentation);
      CHECK(same_bits(values(found.x), values(expected.x)));
      CHECK(found.labels == expected.labels);
    }
  const std::vector<Index> wrong{40};
  CHECK_THROWS_AS(there.batch(wrong), DataError);
}
