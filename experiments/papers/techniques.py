"""Papers of techniques: views, samplers, mixings, optimisers."""

from experiments.papers.record import Paper

# fmt: off
TECHNIQUES: tuple[Paper, ...] = (
    Paper(2, "Hydra", 2024, "C", "works", "any two classes as positives, behind the gate of the two",
          ("contrast --mixing gated-pairs --seeds 1",)),
    Paper(9, "MCL", 2024, "C", "works", "stages, each against negatives of its own cluster",
          ("contrast --seeds 1 --out runs/first", "contrast --after runs/first --seeds 1")),
    Paper(10, "MoCHi", 2020, "C", "works", "hard negatives mixed in the queue",
          ("contrast --cost infonce-queue --set objective.length=4096 --mixing mixed-negatives --seeds 1",)),
    Paper(16, "improved CLIP baselines", 2023, "C", "works", "CLIP beside objectives of single modalities",
          ('contrast --cost "clip + 0.5 byol" --seeds 1', 'contrast --cost "clip + 0.5 simsiam + 0.1 barlow-twins" --seeds 1')),
    Paper(20, "Hallucinator", 2023, "C", "works", "learnt further positives", ("contrast --mixing hallucinated-positives --seeds 1",)),
    Paper(23, "Core-tuning", 2021, "C", "works", "fine-tuning with focal contrast, mixed hard pairs and cross-entropy",
          ("contrast --seeds 1 --rules ep-centered --output-activation linear --out runs/views",
           'contrast --start-from runs/views --start-head fresh --cost "focal-supcon + cross-entropy" --mixing hard-pairs '
           "--output-activation linear --rules ep-centered --seeds 1")),
    Paper(26, "AdaInf", 2024, "C", "works", "generated samples beside replicated real ones",
          ("contrast --generated 500 --sampling replication --view-strength 0.25 --seeds 1",)),
    Paper(29, "DebCSE", 2023, "C", "works", "positives and negatives by inverse propensity of surface and meaning, weights in the loss",
          ("contrast --seeds 1 --rules ep-centered --out runs/teacher",
           "contrast --mixing propensity-pairs --num-views 4 --teacher runs/teacher --seeds 1"),
          "cosines of inputs stand for the surface, those of an earlier network for the meaning"),
    Paper(39, "feature transformation", 2021, "C", "works",
          "extrapolated positives and interpolated negatives, judged by score histograms",
          ("contrast --mixing extrapolated-positives --seeds 1",
           "contrast --cost infonce-queue --set objective.length=4096 --mixing interpolated-negatives --seeds 1")),
    Paper(45, "MCLRec", 2023, "C", "works", "learnt augmenters, updated by the loss one inner step ahead, and a penalty of similar views",
          ("contrast --mixing meta-augmented --seeds 1",), "the inner step moves outputs; augmenters are linear maps"),
    Paper(46, "HiCLR", 2022, "C", "works", "augmentations of growing strength; strong views follow weak ones",
          ('contrast --cost "mv-infonce + growing-views" --num-views 3 --ordered-views --seeds 1',),
          "amplitudes grow, where the paper adds kinds"),
    Paper(48, "views from latents", 2025, "C", "works", "views sampled from a generator's latents",
          ("contrast --latent-views code --seeds 1",), "a mixture of Gaussians generates"),
    Paper(50, "G-SimCLR", 2020, "C", "works", "batches without two samples of a cluster of a denoising autoencoder's codes",
          ('contrast --cost "0.001 nt-xent + reconstruction(clean=true)" --views noise,mask --hidden 16 --output-activation linear '
           "--rules ep-centered --seeds 1 --out runs/autoencoder",
           "contrast --sampling one-per-class --codes-of runs/autoencoder --batch-size 10 --epochs 6 --seeds 1"),
          "at the default batch of 128 the sampler warns that ten digits must meet again"),
    Paper(76, "CleanCLIP", 2023, "C", "works", "CLIP with a contrast in each modality, against poisoned pairs",
          ("contrast --data digits-poisoned --network towers --cost clip --epochs 6 --rules ep-centered --seeds 1 --out runs/poisoned",
           "contrast --data digits-halves --network towers --cost clip --inside nt-xent --epochs 6 --rules ep-centered --seeds 1 "
           "--start-from runs/poisoned"), "halves of an image stand for image and caption"),
    Paper(79, "AR2", 2021, "C", "works", "retriever of hard negatives against a ranker, after a warm-up of the retriever",
          ("contrast --seeds 1 --rules ep-centered --out runs/retriever",
           "contrast --start-from runs/retriever --teacher runs/retriever --cost retriever-ranker --rules ep-centered --seeds 1"),
          "the retriever takes the nearest negatives of the batch; the ranker reads pairs of an earlier network's outputs"),
    Paper(84, "bias-transformed views", 2021, "C", "works", "views with another bias as positives",
          ("contrast --data digits-biased --seeds 1", "contrast --data digits-biased --views bias-flip,affine --view-strength 1 --seeds 1"),
          "the transformation of the bias is known, where the paper learns it"),
    Paper(103, "ESimCSE", 2021, "C", "works", "repetition as augmentation, negatives from a momentum queue",
          ("contrast --views repeat --cost infonce-queue --set objective.length=4096 --seeds 1",),
          "columns of a picture are repeated, not words"),
    Paper(106, "BECLR", 2024, "C", "works", "positives from a memory around lasting prototypes; few-shot test with transport",
          ("contrast --cost infonce-queue --set objective.length=4096 --mixing clustered-positives --rules ep-centered --seeds 1",),
          "InfoNCE against the memory, where the paper's loss is cosines and uniformity; only keys are enhanced"),
    Paper(113, "Lion", 2023, "C", "works", "optimiser by the sign of momentum",
          ("contrast --optimiser lion --learning-rates 3e-4 --seeds 1",)),
)
# fmt: on
"""Rows by number."""
