"""References that docstrings, sources of objectives and origins of data sets name, with what a bibliography needs."""

import re
from typing import NamedTuple

from experiments.papers.titles import TITLES


class Reference(NamedTuple):
    """Paper, book or data set.

    Attributes
    ----------
    cited : str
        Words by which it is named here, without brackets around the year, such as ``Scellier & Bengio 2017``.
    authors : str
        Authors in BibTeX; surnames only, or empty, where no more was looked up.
    title : str or int
        Title, or number of the source paper that has it in ``TITLES``.
    place : str
        Journal, conference, book or number in arXiv.
    """

    cited: str
    authors: str
    title: str | int
    place: str = ""

    @property
    def year(self) -> str:
        """Year of publication."""
        return self.cited[-4:]

    @property
    def full_title(self) -> str:
        """Title in words."""
        return TITLES[self.title] if isinstance(self.title, int) else self.title

    @property
    def key(self) -> str:
        """Key in BibTeX: first author or the name of the method, year and first long word of the title."""
        first = re.split(r" and |,", self.authors)[0].split()[-1] if self.authors else self.cited[:-5]
        word = next(word for word in re.findall(r"\w+", self.full_title) if len(word) > 3)
        return re.sub(r"[^a-z0-9]", "", f"{first}{self.year}{word}".lower())

    def bibtex(self) -> str:
        """Return the entry of a bibliography."""
        number = re.fullmatch(r"arXiv:(\S+)", self.place)
        fields = {
            **({"author": self.authors} if self.authors else {"key": self.cited[:-5]}),
            "title": f"{{{self.full_title}}}",
            "year": self.year,
            **({"eprint": number[1], "archiveprefix": "arXiv"} if number else {"howpublished": self.place} if self.place else {}),
        }
        return "\n".join([f"@misc{{{self.key},", *(f"  {name} = {{{value}}}," for name, value in fields.items()), "}"])


_ERNOULT = "Ernoult, Maxence and Grollier, Julie and Querlioz, Damien and Bengio, Yoshua and Scellier, Benjamin"
_LABORIEUX = "Laborieux, Axel and Ernoult, Maxence and Scellier, Benjamin and Bengio, Yoshua and Grollier, Julie and Querlioz, Damien"
_NEURIPS = "Advances in Neural Information Processing Systems"
_CVPR = "Conference on Computer Vision and Pattern Recognition"

# fmt: off
REFERENCES: tuple[Reference, ...] = (
    # Rules, networks and dynamics
    Reference("Scellier & Bengio 2017", "Scellier, Benjamin and Bengio, Yoshua", 1, "Frontiers in Computational Neuroscience 11:24"),
    Reference("Bengio et al. 2017", "Bengio, Yoshua and Mesnard, Thomas and Fischer, Asja and Zhang, Saizheng and Wu, Yuhuai",
              "STDP-Compatible Approximation of Backpropagation in an Energy-Based Model", "Neural Computation 29"),
    Reference("Scellier et al. 2018", "Scellier, Benjamin and Goyal, Anirudh and Binas, Jonathan and Mesnard, Thomas and Bengio, Yoshua",
              "Generalization of Equilibrium Propagation to Vector Field Dynamics", "arXiv:1808.04873"),
    Reference("Ernoult et al. 2019", _ERNOULT,
              "Updates of Equilibrium Prop Match Gradients of Backprop Through Time in an RNN with Static Input", _NEURIPS),
    Reference("Ernoult et al. 2020", _ERNOULT, "Equilibrium Propagation with Continual Weight Updates", "arXiv:2005.04168"),
    Reference("Laborieux et al. 2021", _LABORIEUX,
              "Scaling Equilibrium Propagation to Deep ConvNets by Drastically Reducing Its Gradient Estimator Bias",
              "Frontiers in Neuroscience 15"),
    Reference("Laborieux & Zenke 2022", "Laborieux, Axel and Zenke, Friedemann",
              "Holomorphic Equilibrium Propagation Computes Exact Gradients Through Finite Size Oscillations", _NEURIPS),
    Reference("Scellier et al. 2023", "Scellier, Benjamin and Ernoult, Maxence and Kendall, Jack and Kumar, Suhas",
              "Energy-Based Learning Algorithms for Analog Computing: A Comparative Study", _NEURIPS),
    Reference("Massar & Mognetti 2024", "Massar, Serge and Mognetti, Bortolo Matteo",
              "Equilibrium Propagation: the Quantum and the Thermal Cases", "arXiv:2405.08467"),
    Reference("Litman 2025", "Litman", "Equilibrium Propagation Without Limits", "arXiv:2511.22024"),
    Reference("Richardson 1911", "Richardson, Lewis Fry",
              "The Approximate Arithmetical Solution by Finite Differences of Physical Problems Involving Differential Equations, with an "
              "Application to the Stresses in a Masonry Dam", "Philosophical Transactions of the Royal Society A 210"),
    Reference("Movellan 1991", "Movellan, Javier R.", "Contrastive Hebbian Learning in the Continuous Hopfield Model",
              "Connectionist Models: Proceedings of the 1990 Summer School"),
    Reference("Stern, Hexner, Rocks and Liu 2021", "Stern, Menachem and Hexner, Daniel and Rocks, Jason W. and Liu, Andrea J.",
              "Supervised Learning in Physical Networks: From Machine Learning to Learning Machines", "Physical Review X 11"),
    Reference("Almeida 1987", "Almeida, Luis B.",
              "A Learning Rule for Asynchronous Perceptrons with Feedback in a Combinatorial Environment",
              "IEEE First International Conference on Neural Networks"),
    Reference("Pineda 1987", "Pineda, Fernando J.", "Generalization of Back-Propagation to Recurrent Neural Networks",
              "Physical Review Letters 59"),
    Reference("Rumelhart, Hinton & Williams 1986", "Rumelhart, David E. and Hinton, Geoffrey E. and Williams, Ronald J.",
              "Learning Representations by Back-Propagating Errors", "Nature 323"),
    Reference("Kendall et al. 2020",
              "Kendall, Jack and Pantone, Ross and Manickavasagam, Kalpana and Bengio, Yoshua and Scellier, Benjamin",
              "Training End-to-End Analog Neural Networks with Equilibrium Propagation", "arXiv:2006.01981"),
    Reference("Scellier 2024", "Scellier, Benjamin", "A Fast Algorithm to Simulate Nonlinear Resistive Networks",
              "International Conference on Machine Learning"),
    Reference("Wang, Wanjura and Marquardt 2024", "Wang and Wanjura and Marquardt",
              "Training Coupled Phase Oscillators as a Neuromorphic Platform using Equilibrium Propagation"),
    Reference("Gower 2025", "Gower, Alex", "How to Train an Oscillator Ising Machine using Equilibrium Propagation"),
    Reference("Laydevant et al. 2024", r"Laydevant, J{\'e}r{\'e}mie and Markovi{\'c}, Danijela and Grollier, Julie",
              "Training an Ising Machine with Equilibrium Propagation", "Nature Communications 15"),
    Reference("Laydevant et al. 2021", r"Laydevant, J{\'e}r{\'e}mie and Ernoult, Maxence and Querlioz, Damien and Grollier, Julie",
              "Training Dynamical Binary Neural Networks with Equilibrium Propagation", f"{_CVPR} Workshops"),
    Reference("Helwegen et al. 2019",
              "Helwegen, Koen and Widdicombe, James and Geiger, Lukas and Liu, Zechun and Cheng, Kwang-Ting and Nusselder, Roeland",
              "Latent Weights Do Not Exist: Rethinking Binarized Neural Network Optimization", _NEURIPS),
    Reference("Fang & Saad 2009", "Fang, Haw-ren and Saad, Yousef", "Two Classes of Multisecant Methods for Nonlinear Acceleration",
              "Numerical Linear Algebra with Applications 16"),
    Reference("Walker & Ni 2011", "Walker, Homer F. and Ni, Peng", "Anderson Acceleration for Fixed-Point Iterations",
              "SIAM Journal on Numerical Analysis 49"),
    Reference("Polyak 1964", "Polyak, Boris T.", "Some Methods of Speeding Up the Convergence of Iteration Methods",
              "USSR Computational Mathematics and Mathematical Physics 4"),
    Reference("Nesterov 1983", "Nesterov, Yurii", "A Method of Solving a Convex Programming Problem with Convergence Rate O(1/k^2)",
              "Soviet Mathematics Doklady 27"),
    Reference("O'Donoghue & Candes 2015", r"O'Donoghue, Brendan and Cand{\`e}s, Emmanuel",
              "Adaptive Restart for Accelerated Gradient Schemes", "Foundations of Computational Mathematics 15"),
    Reference("Young 1954", "Young, David", "Iterative Methods for Solving Partial Difference Equations of Elliptic Type",
              "Transactions of the American Mathematical Society 76"),
    # Data sets
    Reference("Alpaydin & Kaynak 1998", "Alpaydin, Ethem and Kaynak, Cenk", "Optical Recognition of Handwritten Digits",
              "UCI Machine Learning Repository"),
    Reference("LeCun, Bottou, Bengio & Haffner 1998", r"LeCun, Yann and Bottou, L{\'e}on and Bengio, Yoshua and Haffner, Patrick",
              "Gradient-Based Learning Applied to Document Recognition", "Proceedings of the IEEE 86"),
    Reference("Xiao, Rasul & Vollgraf 2017", "Xiao, Han and Rasul, Kashif and Vollgraf, Roland",
              "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms", "arXiv:1708.07747"),
    Reference("Clanuwat et al. 2018", "Clanuwat, Tarin and others", "Deep Learning for Classical Japanese Literature", "arXiv:1812.01718"),
    Reference("Krizhevsky 2009", "Krizhevsky, Alex", "Learning Multiple Layers of Features from Tiny Images", "University of Toronto"),
    Reference("Netzer et al. 2011",
              "Netzer, Yuval and Wang, Tao and Coates, Adam and Bissacco, Alessandro and Wu, Bo and Ng, Andrew Y.",
              "Reading Digits in Natural Images with Unsupervised Feature Learning", "NIPS Workshop on Deep Learning"),
    Reference("Jackson et al. 2018", "Jackson, Zohar and others", "Free Spoken Digit Dataset", "Zenodo"),
    Reference("Efron, Hastie, Johnstone & Tibshirani 2004",
              "Efron, Bradley and Hastie, Trevor and Johnstone, Iain and Tibshirani, Robert", "Least Angle Regression",
              "Annals of Statistics 32"),
    Reference("Bansal et al. 2023", "Bansal, Hritik and others", 76),
    # Views, samplers, mixings and storage
    Reference("Kim et al. 2021", "Kim and others", 84),
    Reference("Clark et al. 2020", "Clark and others", "ELECTRA: Pre-training Text Encoders as Discriminators Rather Than Generators",
              "arXiv:2003.10555"),
    Reference("Zhong et al. 2020", "Zhong, Zhun and Zheng, Liang and Kang, Guoliang and Li, Shaozi and Yang, Yi",
              "Random Erasing Data Augmentation", "AAAI Conference on Artificial Intelligence"),
    Reference("Wu et al. 2021", "Wu and others", 103),
    Reference("Zhang et al. 2024", "Zhang and others", 9),
    Reference("Chakraborty et al. 2020", "Chakraborty and others", 50),
    Reference("Xue, Gan, Ni, Joshi & Mirzasoleiman 2024", "Xue and Gan and Ni and Joshi and Mirzasoleiman", 24),
    Reference("Wu et al. 2024", "Wu and others", 2),
    Reference("Wu, Hobbs & Hovakimyan 2023", "Wu and Hobbs and Hovakimyan", 20),
    Reference("Storkey & Valabregue 1999", "Storkey, Amos J. and Valabregue, Romain",
              "The Basins of Attraction of a New Hopfield Learning Rule", "Neural Networks 12"),
    Reference("Szegedy et al. 2015", "Szegedy, Christian and others", "Going Deeper with Convolutions", _CVPR),
    Reference("Qian et al. 2021", "Qian, Rui and others", 49, _CVPR),
    Reference("Bobu et al. 2023", "Bobu and others", 4),
    Reference("Miao, Du & Zhang 2023", "Miao and Du and Zhang", 29),
    Reference("Qin et al. 2023", "Qin and others", 45),
    # Objectives
    Reference("AR2 2021", "", 79),
    Reference("CALICO 2023", "", 56),
    Reference("DefSent+ 2024", "", 104),
    Reference("Tsukagoshi, Sasano & Takeda 2021", "Tsukagoshi, Hayato and Sasano, Ryohei and Takeda, Koichi",
              "DefSent: Sentence Embeddings using Definition Sentences",
              "Annual Meeting of the Association for Computational Linguistics"),
    Reference("Wen et al. 2022", "Wen and others", 60),
    Reference("Chen, Kornblith, Norouzi & Hinton 2020", "Chen, Ting and Kornblith, Simon and Norouzi, Mohammad and Hinton, Geoffrey",
              "A Simple Framework for Contrastive Learning of Visual Representations", "International Conference on Machine Learning"),
    Reference("Yeh et al. 2022", "Yeh and others", 7),
    Reference("Qiu, Wang, Bai, Yang & Wang 2022", "Qiu and Wang and Bai and Yang and Wang", 54),
    Reference("He, Fan, Wu, Xie & Girshick 2020", "He, Kaiming and Fan, Haoqi and Wu, Yuxin and Xie, Saining and Girshick, Ross",
              "Momentum Contrast for Unsupervised Visual Representation Learning", _CVPR),
    Reference("Shi et al. 2022", "Shi and others", 110),
    Reference("Radford et al. 2021", "Radford, Alec and others", "Learning Transferable Visual Models From Natural Language Supervision",
              "International Conference on Machine Learning"),
    Reference("Jia et al. 2021", "Jia, Chao and others", 97, "International Conference on Machine Learning"),
    Reference("Srinivasa et al. 2023", "Srinivasa and others", 85),
    Reference("Livne 2025", "Livne", 14),
    Reference("Khosla et al. 2020", "Khosla, Prannay and others", "Supervised Contrastive Learning", _NEURIPS),
    Reference("Zhang et al. 2021", "Zhang and others", 23),
    Reference("BaCon 2023", "", 32),
    Reference("MultiSupCon 2022", "", "MultiSupCon"),
    Reference("Burdisso, Madikeri & Motlicek 2024", "Burdisso and Madikeri and Motlicek", 53),
    Reference("Wang, Albrecht & Zhu 2024", "Wang and Albrecht and Zhu", 100),
    Reference("Koromilas et al. 2025", "Koromilas and others", 6),
    Reference("Qiu et al. 2023", "Qiu and others", 91),
    Reference("Wang et al. 2023", "Wang and others", 37),
    Reference("Wang, Han, Wang & Zhang 2023", "Wang and Han and Wang and Zhang", 25),
    Reference("Xie et al. 2021", "Xie, Zhenda and others", 19, _CVPR),
    Reference("Grill et al. 2020", "Grill, Jean-Bastien and others",
              "Bootstrap Your Own Latent: A New Approach to Self-Supervised Learning", _NEURIPS),
    Reference("Chen & He 2021", "Chen, Xinlei and He, Kaiming", "Exploring Simple Siamese Representation Learning", _CVPR),
    Reference("Kulatilleke, Portmann & Chandra 2022", "Kulatilleke and Portmann and Chandra", 88),
    Reference("Caron et al. 2020", "Caron, Mathilde and others", 18, _NEURIPS),
    Reference("Caron et al. 2021", "Caron, Mathilde and others", "Emerging Properties in Self-Supervised Vision Transformers",
              "International Conference on Computer Vision"),
    Reference("Wang & Isola 2020", "Wang, Tongzhou and Isola, Phillip",
              "Understanding Contrastive Representation Learning through Alignment and Uniformity on the Hypersphere",
              "International Conference on Machine Learning"),
    Reference("CircuitGCL 2025", "", 75),
    Reference("Su et al. 2022", "Su, Yixuan and others", "A Contrastive Framework for Neural Text Generation", _NEURIPS),
    Reference("Ren, Zhang, Yu & Liu 2022", "Ren and Zhang and Yu and Liu", "Balanced MSE for Imbalanced Visual Regression", _CVPR),
    Reference("Ren et al. 2020", "Ren and others", "Balanced Meta-Softmax for Long-Tailed Visual Recognition", _NEURIPS),
    Reference("Fahim, Murphy & Fyshe 2024", "Fahim and Murphy and Fyshe", 83),
    Reference("Zheng et al. 2021", "Zheng and others", 11),
    Reference("Louiset, Duchesnay, Grigis & Gori 2024", "Louiset and Duchesnay and Grigis and Gori", 8),
    Reference("Liu et al. 2025", "Liu and others", 30),
    Reference("Zhuo et al. 2023", "Zhuo and others", 102),
    Reference("Zbontar, Jing, Misra, LeCun & Deny 2021",
              r"Zbontar, Jure and Jing, Li and Misra, Ishan and LeCun, Yann and Deny, St{\'e}phane",
              "Barlow Twins: Self-Supervised Learning via Redundancy Reduction", "International Conference on Machine Learning"),
    Reference("Bardes, Ponce & LeCun 2022", "Bardes, Adrien and Ponce, Jean and LeCun, Yann",
              "VICReg: Variance-Invariance-Covariance Regularization for Self-Supervised Learning",
              "International Conference on Learning Representations"),
    Reference("Sheikholeslami, Hosseini, Bechard, Daruru & Rajeswar 2025",
              "Sheikholeslami and Hosseini and Bechard and Daruru and Rajeswar", 82),
    Reference("Schroff, Kalenichenko & Philbin 2015", "Schroff, Florian and Kalenichenko, Dmitry and Philbin, James",
              "FaceNet: A Unified Embedding for Face Recognition and Clustering", _CVPR),
    Reference("Hadsell, Chopra & LeCun 2006", "Hadsell, Raia and Chopra, Sumit and LeCun, Yann",
              "Dimensionality Reduction by Learning an Invariant Mapping", _CVPR),
    Reference("Diao et al. 2024", "Diao and others", 33),
    Reference("Shvetsova et al. 2023", "Shvetsova and others", 17),
    Reference("Keramati, Meng & Evans 2023", "Keramati and Meng and Evans", 87),
    Reference("Wu et al. 2023", "Wu and others", 12),
    Reference("Distillation with Contrast 2022", "", 67),
    Reference("Hybrid Distillation 2023", "", 58),
    Reference("Distilled Sentence Embedding 2019", "", 108),
    Reference("OBoW 2020", "", 77),
    Reference("w2v-BERT 2021", "", 65),
    Reference("Baevski et al. 2020", "Baevski, Alexei and others",
              "wav2vec 2.0: A Framework for Self-Supervised Learning of Speech Representations", _NEURIPS),
    Reference("HiCLR 2022", "", 46),
    Reference("Poulakakis-Daktylidis & Jamali-Rad 2024", "Poulakakis-Daktylidis, Stylianos and Jamali-Rad, Hadi", 106,
              "International Conference on Learning Representations"),
)
"""Every reference, by the words that name it; a test holds them against the docstrings of all tables."""
