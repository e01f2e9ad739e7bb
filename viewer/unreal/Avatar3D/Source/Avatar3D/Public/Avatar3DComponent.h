#pragma once

#include "Components/ActorComponent.h"
#include "CoreMinimal.h"
#include "LiveLinkTypes.h"
#include "Tasks/Task.h"

#include "Avatar3DPlayback.h"

#include "Avatar3DComponent.generated.h"

class FAvatar3DPoser;
class UAudioComponent;
class UAvatar3DAsset;
class UNiagaraComponent;
class USoundWaveProcedural;

/** What moves a head. */
UENUM(BlueprintType)
enum class EAvatar3DDrive : uint8
{
	/** The motion in the asset, at the property Time: what Sequencer animates. Its sound is a track of Sequencer's. */
	Time,
	/** The motion in the asset as the game's time goes on, with its sound. */
	Playback,
	/** A Live Link subject: the rig's channels where it has them (the source of this plugin), ARKit's curves otherwise (any face capture). */
	LiveLink
};

/**
 * Poses a Gaussian head on a worker thread, and hands it to the Niagara component of the same actor as user parameters: the arrays Positions (Vector, in
 * the component's space), Orientations (Quaternion), Scales (Vector) and Colours (Color), and the integer Count. The picture is one frame
 * behind.
 */
UCLASS(ClassGroup = (Avatar3D), meta = (BlueprintSpawnableComponent))
class AVATAR3D_API UAvatar3DComponent : public UActorComponent
{
	GENERATED_BODY()

public:
	UAvatar3DComponent();

	/** The head. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "Avatar3D")
	TObjectPtr<UAvatar3DAsset> Avatar;

	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "Avatar3D")
	EAvatar3DDrive Drive = EAvatar3DDrive::Time;

	/** Seconds of the asset's motion. Playback sets it; Sequencer animates it. */
	UPROPERTY(EditAnywhere, Interp, BlueprintReadWrite, Category = "Avatar3D")
	float Time = 0.0f;

	/** The subject that LiveLink follows. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "Avatar3D")
	FLiveLinkSubjectName Subject;

	/** Colours as linear light, for materials; without it they stay sRGB. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "Avatar3D")
	bool bLinearColours = true;

	/** Pose within the frame, on the game thread, so that the picture is not one frame behind: for Movie Render Queue. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "Avatar3D")
	bool bSynchronous = false;

	/** Begin the motion and its sound anew; both go on while Drive is Playback, and a motion that loops sounds in every round. */
	UFUNCTION(BlueprintCallable, Category = "Avatar3D")
	void Play();

	/** Stop the motion and its sound where they are. */
	UFUNCTION(BlueprintCallable, Category = "Avatar3D")
	void Stop();

	//~ Begin UActorComponent Interface
	virtual void TickComponent(float DeltaTime, ELevelTick TickType, FActorComponentTickFunction* ThisTickFunction) override;
	virtual void BeginPlay() override;
	virtual void EndPlay(const EEndPlayReason::Type EndPlayReason) override;
	//~ End UActorComponent Interface

private:
	/** Whether there is a head, ready to be posed. */
	bool PreparePoser();
	/** Set the frame that is posed next; where nothing moves the head it stays as it was. */
	void FillFrame();
	void FillFromSubject();
	/** Which curves of a subject the frame's numbers are. */
	void FindCurves(const TArray<FName>& Names);
	/** Hand the Gaussians to the actor's Niagara component. */
	void Publish();
	/** Take them away again, where there is no head any more. */
	void Clear();
	UNiagaraComponent* FindNiagara() const;
	/** Let motion and sound go on. */
	void StepPlayback(float DeltaTime);
	/** Sound from Time on. */
	void StartSound();
	void StopSound();

	UPROPERTY(Transient)
	TObjectPtr<USoundWaveProcedural> Sound;

	UPROPERTY(Transient)
	TObjectPtr<UAudioComponent> Voice;

	UPROPERTY(Transient)
	TObjectPtr<UAvatar3DAsset> Prepared;

	/** Shared with the task, which may outlive this component. */
	TSharedPtr<FAvatar3DPoser, ESPMode::ThreadSafe> Poser;
	UE::Tasks::FTask Task;
	bool bPosing = false;
	/** Gaussians that the Niagara system has particles for. */
	int32 NumPublished = INDEX_NONE;
	Avatar3D::FPlayback Playback;

	TArray<FName> CurveNames;
	TArray<int32> FlameCurves;
	TArray<int32> ArkitCurves;
	TArray<int32> TurnCurves;
	bool bHasRig = false;
};
